// Command cadvisor is cAdvisor's library, watching all cgroups at 1 s without
// dynamic housekeeping, and measuring itself as the other programs of the
// benchmark do.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"time"

	"github.com/google/cadvisor/lib/cache/memory"
	"github.com/google/cadvisor/lib/container"
	"github.com/google/cadvisor/lib/manager"
	cadvisormetrics "github.com/google/cadvisor/lib/metrics"
	info "github.com/google/cadvisor/lib/model"
	"github.com/google/cadvisor/lib/storage"
	"github.com/google/cadvisor/lib/utils/sysfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/collector/bench/result"
)

// tally counts samples as they are stored.
type tally struct{ n atomic.Uint64 }

func (t *tally) AddStats(*info.ContainerInfo, *info.ContainerStats) error {
	t.n.Add(1)
	return nil
}

func (t *tally) Close() error { return nil }

func main() {
	d := flag.Duration("time", 15*time.Second, "length of the measurement")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *d); err != nil {
		fmt.Fprintln(os.Stderr, "cadvisor:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, d time.Duration) error {
	t := &tally{}
	interval, dynamic := time.Second, false
	// ProcessMetrics is off by default: it lists the open files of all processes.
	metrics := container.MetricSet{container.CpuUsageMetrics: {}, container.MemoryUsageMetrics: {}, container.DiskIOMetrics: {},
		container.DiskUsageMetrics: {}, container.NetworkUsageMetrics: {}}
	m, err := manager.New(memory.New(2*time.Minute, []storage.StorageDriver{t}), sysfs.NewRealSysFs(),
		manager.HousekeepingConfig{Interval: &interval, AllowDynamic: &dynamic}, metrics, []string{"/"}, nil, "", 0)
	if err != nil {
		return err
	}
	if err := m.Start(); err != nil {
		return err
	}
	r, err := result.Measure(ctx, 4*time.Second, d, t.n.Load)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(cadvisormetrics.NewPrometheusCollector(m, nil, metrics, clock.RealClock{}, info.RequestOptions{IdType: info.TypeName, Count: 1, Recursive: true}))
	r.Scrape, r.ScrapeBytes = result.Scrape(ctx, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return json.NewEncoder(os.Stdout).Encode(r)
}
