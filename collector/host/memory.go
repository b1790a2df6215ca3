package host

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prometheus/procfs"
)

// memory reads /proc/meminfo.
type memory struct{ proc procfs.FS }

func newMemory(proc procfs.FS) *memory { return &memory{proc} }

func (*memory) name() string { return "meminfo" }

func (m *memory) read(_ context.Context, _ time.Time, out *points) error {
	info, err := m.proc.Meminfo()
	if err != nil {
		return err
	}
	add := func(name string, bytes *uint64) {
		if bytes != nil {
			out.add(name, nil, float64(*bytes))
		}
	}
	add("node_memory_MemTotal_bytes", info.MemTotalBytes)
	add("node_memory_MemFree_bytes", info.MemFreeBytes)
	add("node_memory_MemAvailable_bytes", info.MemAvailableBytes)
	add("node_memory_Buffers_bytes", info.BuffersBytes)
	add("node_memory_Cached_bytes", info.CachedBytes)
	add("node_memory_Slab_bytes", info.SlabBytes)
	add("node_memory_SwapTotal_bytes", info.SwapTotalBytes)
	add("node_memory_SwapFree_bytes", info.SwapFreeBytes)
	add("node_memory_Dirty_bytes", info.DirtyBytes)
	return nil
}

// vmStat reads /proc/vmstat, which procfs has no reader for.
type vmStat struct{ path string }

func newVMStat(proc string) *vmStat { return &vmStat{filepath.Join(proc, "vmstat")} }

func (*vmStat) name() string { return "vmstat" }

// vmStatMetrics are the lines that are published.
var vmStatMetrics = map[string]string{
	"pgfault":    "node_vmstat_pgfault",
	"pgmajfault": "node_vmstat_pgmajfault",
	"oom_kill":   "node_vmstat_oom_kill",
}

func (v *vmStat) read(_ context.Context, _ time.Time, out *points) error {
	text, err := os.ReadFile(v.path)
	if err != nil {
		return err
	}
	return parseVMStat(text, out)
}

func parseVMStat(text []byte, out *points) error {
	for len(text) > 0 {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte{'\n'})
		key, value, _ := bytes.Cut(line, []byte{' '})
		metric, wanted := vmStatMetrics[string(key)]
		if !wanted {
			continue
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 64)
		if err != nil {
			return fmt.Errorf("vmstat line %q: %w", line, err)
		}
		out.add(metric, nil, float64(n))
	}
	return nil
}
