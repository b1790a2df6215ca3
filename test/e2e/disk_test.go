package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
)

const (
	smallDiskSize  = 96 << 20
	linesWhileFull = 12_000
)

// tinyDisk is a filesystem in memory.
type tinyDisk struct {
	t   *testing.T
	dir string
}

// smallDisk mounts one, and makes dir for it.
func smallDisk(t *testing.T, dir string) *tinyDisk {
	t.Helper()
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", smallDiskSize)), "mount a small disk")
	t.Cleanup(func() {
		require.Eventually(t, func() bool { return syscall.Unmount(dir, 0) == nil }, waitLong, poll, "unmount %s", dir)
	})
	return &tinyDisk{t, dir}
}

// whileFull fills the disk until the program has told of it in all of these words
// and a good many more lines have been written, and frees it again.
func (d *tinyDisk) whileFull(a api, p *program, lines *lineLoad, words ...string) outage {
	d.t.Helper()
	ballast, err := os.Create(filepath.Join(d.dir, "ballast"))
	require.NoError(d.t, err)
	defer ballast.Close()
	full, before := outage{from: time.Now()}, lines.now.Load()
	a.eventually("the full disk is noticed", func() error {
		if err := fill(ballast); err != nil {
			return err
		}
		p.alive()
		if n := lines.now.Load() - before; n < linesWhileFull {
			return fmt.Errorf("%d lines so far", n)
		}
		return p.printed(words...)
	})
	require.NoError(d.t, os.Remove(ballast.Name()))
	require.NoError(d.t, ballast.Close())
	full.to = time.Now()
	return full
}

// fill writes until nothing more fits.
func fill(file *os.File) error {
	for size := 1 << 20; size >= 4096; {
		_, err := file.Write(make([]byte, size))
		switch {
		case errors.Is(err, syscall.ENOSPC):
			size /= 2
		case err != nil:
			return err
		}
	}
	return nil
}

// TestFullDiskOfTheStores: while the aggregator can store nothing, everything
// waits with the collector.
func TestFullDiskOfTheStores(t *testing.T) {
	peers.RequireReal(t)
	dir := dataDir(t)
	disk := smallDisk(t, filepath.Join(dir, "a"))
	prefix := cgroups(t, faultContainers)
	collector, aggregator := pair(t, dir)
	begin := time.Now()
	lines := startLines(t, filepath.Join(dir, "logs"), fmt.Sprintf("full%d", os.Getpid()), faultLineRate, 4)

	for range 2 {
		full := disk.whileFull(aggregator.api, aggregator.program, lines, "log store did not take a group", "status=503")
		t.Logf("disk full %s", full)
		aggregator.eventually("samples go on", func() error { return aggregator.sampledAfter(prefix, faultContainers, full.to) })
	}
	lines.finish(t)
	until := time.Now()
	lines.expectOnce(aggregator.api, begin)
	aggregator.expectSamples(collector.api, prefix, faultContainers, begin.Add(5*time.Second), until, nil)
	collector.alive()

	aggregator.crash()
	aggregator.ready(aggregator.program)
	lines.expectOnce(aggregator.api, begin)
	aggregator.expectSamples(collector.api, prefix, faultContainers, begin.Add(5*time.Second), time.Now(), nil)
}
