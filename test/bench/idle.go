package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// idle measures `lubberline up`, collector and aggregator in one process, on a
// machine where nothing else of ours happens.
func idle(ctx context.Context, s *settings) error {
	s.report.title = fmt.Sprintf("lubberline up at the default interval of 5 s, after %s, over %s", s.idle, s.seconds)
	for _, n := range []int{0, 10} {
		u, err := idleWith(ctx, s, n)
		if err != nil {
			return err
		}
		s.report.add(line{what: fmt.Sprintf("%d cgroups of the measurement: RSS", n), ours: u.rss, unit: "MiB", goal: 300, atMost: true})
		s.report.add(line{what: "  CPU", ours: u.percent(), unit: "% of a core", goal: 2.5, atMost: true})
	}
	return nil
}

func idleWith(ctx context.Context, s *settings, n int) (u use, err error) {
	groups, err := makeGroups(ctx, n)
	defer func() {
		for _, g := range groups {
			err = errors.Join(err, g.Remove())
		}
	}()
	if err != nil {
		return u, err
	}
	dir, clean, err := s.sub("idle")
	if err != nil {
		return u, err
	}
	defer clean()
	args := []string{"up", "--orchestrator=false", "--data-dir", filepath.Join(dir, "data")}
	var addresses [3]string
	for i, flag := range []string{"--http", "--forward", "--collector-http"} {
		if addresses[i], err = freeAddress(); err != nil {
			return u, err
		}
		args = append(args, flag, addresses[i])
	}
	p, err := start(dir, filepath.Join(s.bin, "lubberline"), args...)
	if err != nil {
		return u, err
	}
	defer p.stop()
	if err := ready(ctx, p, addresses[0]); err != nil {
		return u, err
	}
	if err := sleep(ctx, s.idle); err != nil {
		return u, err
	}
	return p.watch(func() error { return sleep(ctx, s.seconds) })
}
