package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// share is what some processes of one kind need.
type share struct {
	name string
	pids []int
	rss  float64 // MiB of all
	cpu  float64 // % of a core
}

// shares are the program, its containerd and the shims that run now.
func (k *kube) shares() ([]*share, error) {
	return sharesOf(k.process.cmd.Process.Pid, k.runtimeState(), k.data)
}

// sharesOf finds the program's runtime by one of the folders in its arguments.
func sharesOf(pid int, folders ...string) ([]*share, error) {
	program, daemon, shims := &share{name: "lubberline", pids: []int{pid}}, &share{name: "containerd"}, &share{name: "shims"}
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		args := strings.Split(string(text), "\x00")
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return nil, err
		}
		names := func(folder string) bool { return strings.Contains(string(text), folder) }
		switch of := slices.ContainsFunc(folders, names); {
		case of && filepath.Base(args[0]) == "containerd":
			daemon.pids = append(daemon.pids, pid)
		case of && strings.HasPrefix(filepath.Base(args[0]), "containerd-shim"):
			shims.pids = append(shims.pids, pid)
		}
	}
	if len(daemon.pids) != 1 {
		return nil, fmt.Errorf("processes of containerd: %v", daemon.pids)
	}
	return []*share{program, daemon, shims}, nil
}

func (s *share) cpuTime() (all time.Duration, err error) {
	for _, pid := range s.pids {
		d, err := cpuTime(pid)
		if err != nil {
			return 0, err
		}
		all += d
	}
	return all, nil
}

// watchIdle measures all processes while nothing happens.
func (k *kube) watchIdle(ctx context.Context) ([]*share, error) {
	all, err := k.shares()
	if err != nil {
		return nil, err
	}
	return all, watchShares(ctx, all, k.s.seconds)
}

func watchShares(ctx context.Context, all []*share, length time.Duration) (err error) {
	before := make([]time.Duration, len(all))
	for i, s := range all {
		if before[i], err = s.cpuTime(); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := sleep(ctx, length); err != nil {
		return err
	}
	wall := time.Since(began)
	for i, s := range all {
		after, err := s.cpuTime()
		if err != nil {
			return err
		}
		s.cpu = 100 * (after - before[i]).Seconds() / wall.Seconds()
		for _, pid := range s.pids {
			rss, err := memoryOf(pid, "VmRSS")
			if err != nil {
				return err
			}
			s.rss += rss
		}
	}
	return nil
}

func total(all []*share) (t share) {
	for _, s := range all {
		t.rss += s.rss
		t.cpu += s.cpu
	}
	return t
}
