package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/lubberline/lubberline/collector/bench/result"
	"github.com/lubberline/lubberline/collector/cgroup"
	"github.com/lubberline/lubberline/collector/exposition"
	"github.com/lubberline/lubberline/collector/network"
	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/collector/sampler"
)

// names gives the cgroups of the measurement what Docker would say of them.
type names struct{}

func (names) Identify(_ context.Context, id string) (*reading.Identity, bool, error) {
	if !isOurs(id) {
		return nil, true, nil
	}
	name := id[len(prefix):]
	return &reading.Identity{
		Runtime: "docker", ContainerID: fmt.Sprintf("%064x", name), Name: name, Image: "registry.local/shop/web:1.27",
		Namespace: "shop", Pod: name, Container: name,
		Labels: map[string]string{"com.docker.compose.project": "shop", "com.docker.compose.service": name, "maintainer": "shop@example.com"},
	}, true, nil
}

// watcher is the sampler with what belongs to it, and counts the samples.
type watcher struct {
	sampler *sampler.Sampler
	network *network.Network
	samples atomic.Uint64
	last    time.Time
	spacing atomic.Int64 // the largest deviation so far, in nanoseconds
}

func newWatcher() (*watcher, error) {
	system, err := cgroup.New(cgroup.Options{})
	if err != nil {
		return nil, err
	}
	w := &watcher{}
	if w.network, err = network.New(network.Options{Process: system.FirstProcess}); err != nil {
		return nil, err
	}
	w.sampler, err = sampler.New(sampler.Options{Interval: time.Second, Groups: sampler.Cgroups(system), Network: w.network, Resolver: names{}})
	if err != nil {
		return nil, err
	}
	w.sampler.Subscribe(w.count)
	return w, nil
}

func (w *watcher) count(tick sampler.Tick) {
	w.samples.Add(uint64(len(tick.Containers)))
	now := time.Now()
	if !w.last.IsZero() {
		off := (now.Sub(w.last) - time.Second).Abs()
		w.spacing.Store(max(w.spacing.Load(), int64(off)))
	}
	w.last = now
}

// ours is the collector's reading side at an interval of 1 s.
func ours(ctx context.Context, s settings) error {
	w, err := newWatcher()
	if err != nil {
		return err
	}
	e, err := exposition.New(exposition.Options{Containers: w.sampler, Node: "bench"})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { _ = w.network.Run(ctx) }() // it ends with ctx
	go func() { _ = w.sampler.Run(ctx) }()
	return measure(ctx, s.time, w.samples.Load, func(r *result.Result) {
		r.Spacing = time.Duration(w.spacing.Load())
		mux := http.NewServeMux()
		e.Register(mux)
		r.Scrape, r.ScrapeBytes = result.Scrape(ctx, mux)
	})
}
