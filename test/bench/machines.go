package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/lubberline/lubberline/orchestrator/runtime"
	"github.com/lubberline/lubberline/test/lab"
)

// network is that of the machines of the part services: all on one link.
const network = 79

// machinesRun is what was measured of three machines.
type machinesRun struct {
	joins []float64 // seconds from the command to Ready
	idle  []share   // of all processes, by machine; the first controls the others
}

// machines has two machines join one, and measures all three while nothing
// happens. They are network namespaces; the monitoring of each is on, at the
// interval that it has when nothing is configured.
func machines(ctx context.Context, s *settings) (r machinesRun, err error) {
	if err := os.Setenv("LUBBERLINE_BIN", s.bin); err != nil {
		return r, err
	}
	c, err := lab.Make(lab.Plan{Name: "bench", On: []int{network, network, network}, Interval: 5 * time.Second})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.Clean()) }()
	if err := c.Up(); err != nil {
		return r, err
	}
	took, err := c.JoinAll()
	if err != nil {
		return r, err
	}
	for _, d := range took {
		r.joins = append(r.joins, d.Seconds())
	}
	if err := sleep(ctx, s.idle/4); err != nil {
		return r, err
	}
	r.idle, err = idleMachines(ctx, c, s.seconds)
	return r, err
}

func idleMachines(ctx context.Context, c *lab.Cluster, length time.Duration) (idle []share, err error) {
	var hosts [][]*share
	var all []*share
	for _, h := range c.Hosts {
		of, err := sharesOf(h.PID(), runtime.StateDirOf(filepath.Join(h.Data(), "orchestrator", "runtime")), h.Data())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.Name, err)
		}
		hosts, all = append(hosts, of), append(all, of...)
	}
	if err := watchShares(ctx, all, length); err != nil {
		return nil, err
	}
	for _, of := range hosts {
		idle = append(idle, total(of))
	}
	return idle, nil
}

func reportMachines(r *report, m machinesRun) {
	r.add(line{what: fmt.Sprintf("join to Ready, median of %d machines", len(m.joins)), ours: median(m.joins, same), unit: "s"})
	for i, one := range m.idle {
		what := fmt.Sprintf("idle machine %d of %d", i+1, len(m.idle))
		if i == 0 {
			what += ", that controls"
		}
		r.add(line{what: what + ": RSS of all processes", ours: one.rss, unit: "MiB", goal: 300, atMost: true})
		r.add(line{what: "  CPU", ours: one.cpu, unit: "% of a core", goal: 2.5, atMost: true})
	}
}
