package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/lubberline/lubberline/collector/bench/lab"
	"github.com/lubberline/lubberline/collector/cgroup"
)

const (
	sampling      = "lubberline_sampler_tick_duration_seconds_sum"
	sampleTicks   = "lubberline_sampler_ticks_total"
	samplesMissed = "lubberline_sampler_ticks_missed_total"
	watched       = "lubberline_sampler_containers"
	shipped       = "lubberline_remotewrite_samples_total"
)

// node measures the whole collector with many cgroups at an interval of 1 s,
// shipping to a real aggregator.
func node(ctx context.Context, s *settings) (err error) {
	s.report.title = fmt.Sprintf("The whole lubberline-collector: %d cgroups at 1 s, remote write and logs to a real aggregator, over %s", s.groups, s.seconds)
	groups, err := makeGroups(ctx, s.groups)
	defer func() {
		for _, g := range groups {
			err = errors.Join(err, g.Remove())
		}
	}()
	if err != nil {
		return err
	}
	dir, clean, err := s.sub("node")
	if err != nil {
		return err
	}
	defer clean()
	p, err := startAggregator(ctx, s, dir)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := p.startCollector(s, p.receive, "1s", ""); err != nil {
		return err
	}
	if err := ready(ctx, p.collector, p.shown); err != nil {
		return err
	}
	if err := sleep(ctx, s.settle); err != nil {
		return err
	}
	return p.measureNode(ctx, s)
}

func (p *programs) measureNode(ctx context.Context, s *settings) error {
	before, err := ownMetrics(ctx, p.shown, sampling, sampleTicks, samplesMissed, watched, shipped)
	if err != nil {
		return err
	}
	aggregatorCPU, err := p.aggregator.cpu()
	if err != nil {
		return err
	}
	u, err := p.collector.watch(func() error { return sleep(ctx, s.seconds) })
	if err != nil {
		return err
	}
	aggregatorAfter, err := p.aggregator.cpu()
	if err != nil {
		return err
	}
	after, err := ownMetrics(ctx, p.shown, sampling, sampleTicks, samplesMissed, watched, shipped)
	if err != nil {
		return err
	}
	ticks := after[sampleTicks] - before[sampleTicks]
	r := s.report
	r.add(line{what: "whole process: CPU", ours: u.percent(), unit: "% of a core", goal: 2, atMost: true})
	r.add(line{what: "whole process: RSS", ours: u.rss, unit: "MiB", goal: 40, atMost: true})
	r.add(line{what: "whole process: highest RSS since its start", ours: u.peak, unit: "MiB"})
	r.add(line{what: "the aggregator that stores it: CPU", ours: 100 * (aggregatorAfter - aggregatorCPU).Seconds() / u.wall.Seconds(), unit: "% of a core"})
	r.add(line{what: "samples shipped", ours: (after[shipped] - before[shipped]) / u.wall.Seconds(), unit: "/s"})
	r.add(line{what: "from a tick's begin to its end, on average", ours: 1000 * (after[sampling] - before[sampling]) / ticks, unit: "ms"})
	r.note("%.0f cgroups on the machine in all; %.0f ticks, %.0f missed", after[watched], ticks, after[samplesMissed]-before[samplesMissed])
	return nil
}

// makeGroups makes cgroups with one idle process each. What was made before an
// error is returned with it.
func makeGroups(ctx context.Context, n int) (groups []*lab.Group, err error) {
	if os.Getuid() != 0 {
		return nil, errors.New("making cgroups needs root")
	}
	system, err := cgroup.New(cgroup.Options{})
	if err != nil {
		return nil, err
	}
	for i := range n {
		if ctx.Err() != nil {
			return groups, ctx.Err()
		}
		g, err := lab.New(system.Hierarchies(), fmt.Sprintf("/lubberline-bench-%d-%03d", os.Getpid(), i))
		if err != nil {
			return groups, err
		}
		groups = append(groups, g)
		c := exec.Command("sleep", "100000")
		if err := errors.Join(g.Start(c), g.Move(c.Process.Pid)); err != nil {
			return groups, err
		}
	}
	return groups, nil
}
