package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/collector/cgroup"
)

// floor reads seven files of each cgroup once a second, kept open, and adds up
// the numbers in them: less is not possible for a program that reads.
func floor(ctx context.Context, s settings) error {
	members, err := readMembers(s.groups)
	if err != nil {
		return err
	}
	system, err := cgroup.New(cgroup.Options{})
	if err != nil {
		return err
	}
	files, err := openAll(system.Hierarchies(), members)
	if err != nil {
		return err
	}
	var samples, sum atomic.Uint64
	go func() {
		buffer := make([]byte, 64<<10)
		for range time.Tick(time.Second) {
			var total uint64
			for _, fd := range files {
				total += addUp(fd, buffer)
			}
			sum.Add(total)
			samples.Add(uint64(len(members)))
		}
	}()
	return measure(ctx, s.time, samples.Load, nil)
}

func openAll(h cgroup.Hierarchies, members []member) (files []int, err error) {
	for _, m := range members {
		paths := []string{fmt.Sprintf("/proc/%d/net/dev", m.PID)}
		for _, p := range [][2]string{{"cpuacct", "cpuacct.usage"}, {"cpu", "cpu.stat"}, {"memory", "memory.usage_in_bytes"},
			{"memory", "memory.stat"}, {"pids", "pids.current"}, {"blkio", "blkio.throttle.io_service_bytes"}} {
			paths = append(paths, filepath.Join(h.V1[p[0]], m.ID, p[1]))
		}
		if h.Mode() == "v2" {
			paths = paths[:1]
			for _, name := range []string{"cpu.stat", "memory.current", "memory.stat", "pids.current", "io.stat", "cpu.pressure"} {
				paths = append(paths, filepath.Join(h.V2, m.ID, name))
			}
		}
		for _, path := range paths {
			fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return nil, &os.PathError{Op: "open", Path: path, Err: err}
			}
			files = append(files, fd)
		}
	}
	return files, nil
}

// addUp reads a file and adds up its numbers.
func addUp(fd int, buffer []byte) (sum uint64) {
	n, err := unix.Pread(fd, buffer, 0)
	if err != nil {
		return 0
	}
	var v uint64
	for _, c := range buffer[:n] {
		if d := c - '0'; d <= 9 {
			v = v*10 + uint64(d)
			continue
		}
		sum += v
		v = 0
	}
	return sum + v
}
