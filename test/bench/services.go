package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lubberline/lubberline/orchestrator/proxy"
)

// few and many are the numbers of services that are measured.
const few, many = 1000, 10000

// servicesRun is what was measured of one cluster.
type servicesRun struct {
	grown      [2]growth // to few and many
	flipped    [2][]flip
	floor      float64 // of one change, milliseconds: the kernel's alone
	apiAgain   float64 // seconds: the program started again, with nothing in the kernel
	allAgain   float64
	paths      []path
	names      []questions
	namesFloor questions
	machines   machinesRun
}

// services measures services on one machine, and machines that join.
func services(ctx context.Context, s *settings) error {
	s.report.title = fmt.Sprintf("Services: %d and %d of two endpoints each, one change, the data path, names", few, many)
	r, err := measureServices(ctx, s)
	if err != nil {
		return err
	}
	peer, missing := findReference(s.reference)
	var theirs referenceServices
	if peer == nil {
		s.report.note("%s is not beside ours: %v", realKubernetes, missing)
	} else if theirs, err = peer.services(ctx); err != nil {
		return fmt.Errorf("%s: %w", realKubernetes, err)
	}
	if r.machines, err = machines(ctx, s); err != nil {
		return fmt.Errorf("several machines: %w", err)
	}
	add := s.report.add
	add(line{what: "one change by nft of a table with nothing else in it, median of 100", ours: r.floor, unit: "ms"})
	for i, n := range []int{few, many} {
		add(line{what: fmt.Sprintf("to %d services through the API: creation with their slices", n), ours: r.grown[i].rate, unit: "/s"})
		served := line{what: "  the last created to all answering", ours: r.grown[i].served, unit: "s"}
		reached := func(f flip) float64 { return f.reached }
		changed := line{
			what: fmt.Sprintf("one endpoint changed to a new connection there, %d services, median of %d", n, flips),
			ours: median(r.flipped[i], reached), unit: "ms", goal: 15, atMost: true,
		}
		if i == 0 && peer != nil {
			served.other, served.peer = theirs.served, realKubernetes
			changed.other, changed.peer = theirs.flipped, realKubernetes
		}
		add(served)
		add(changed)
		add(line{what: "  of which until the API has it", ours: median(r.flipped[i], func(f flip) float64 { return f.written }), unit: "ms"})
		add(line{what: "  slowest tenth", ours: quantile(r.flipped[i], .9, reached), unit: "ms"})
	}
	add(line{what: fmt.Sprintf("started again with %d services and an empty kernel: to API ready", many), ours: r.apiAgain, unit: "s"})
	add(line{what: "  to all services answering", ours: r.allAgain, unit: "s"})
	reportPaths(s.report, r.paths)
	reportNames(s.report, r.names, r.namesFloor)
	reportMachines(s.report, r.machines)
	return nil
}

func measureServices(ctx context.Context, s *settings) (r servicesRun, err error) {
	if r.floor, err = changeFloor(ctx); err != nil {
		return r, err
	}
	k, err := startKube(ctx, s)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, k.stop()) }()
	m, err := k.manyServices(ctx)
	if err != nil {
		return r, err
	}
	defer m.close()
	for i, n := range []int{few, many} {
		if r.grown[i], err = m.grow(ctx, n); err != nil {
			return r, err
		}
		if r.flipped[i], err = m.flip(ctx); err != nil {
			return r, err
		}
	}
	if r.paths, err = k.paths(ctx); err != nil {
		return r, err
	}
	if r.names, r.namesFloor, err = k.names(ctx); err != nil {
		return r, err
	}
	r.apiAgain, r.allAgain, err = m.again(ctx)
	return r, err
}

// again ends the program, takes its table out of the kernel, and starts it.
func (m *manyServices) again(ctx context.Context) (ready, served float64, err error) {
	k := m.k
	k.process.stop()
	if err := proxy.Remove(ctx, "lubberline-"+kubeBridge); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := k.start(); err != nil {
		return 0, 0, err
	}
	if err := k.await(ctx, k.connect); err != nil {
		return 0, 0, fmt.Errorf("API server: %w", err)
	}
	ready = time.Since(began).Seconds()
	served, err = m.served(ctx, m.addresses, began)
	return ready, served, err
}
