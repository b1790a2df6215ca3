package host

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/collector/series"
)

// files reads /proc/sys/fs/file-nr.
type files struct{ proc procfs.FS }

func newFiles(proc procfs.FS) *files { return &files{proc} }

func (*files) name() string { return "filefd" }

func (f *files) read(_ context.Context, _ time.Time, out *points) error {
	numbers, err := f.proc.SysctlStrings("fs/file-nr")
	if err != nil {
		return err
	}
	if len(numbers) != 3 {
		return errors.New("file-nr does not have three numbers")
	}
	allocated, err := parseFloat("file-nr", numbers[0])
	if err != nil {
		return err
	}
	maximum, err := parseFloat("file-nr", numbers[2]) // may be over the range of int
	if err != nil {
		return err
	}
	out.add("node_filefd_allocated", nil, allocated)
	out.add("node_filefd_maximum", nil, maximum)
	return nil
}

// conntrack reads the table of tracked connections, where the module is loaded.
// /proc shows that of the reader's network namespace, so that a reader in another
// than the machine's has nothing to tell.
type conntrack struct {
	proc procfs.FS
	own  bool
}

func newConntrack(proc procfs.FS, own bool) *conntrack { return &conntrack{proc, own} }

func (*conntrack) name() string { return "conntrack" }

func (c *conntrack) read(_ context.Context, _ time.Time, out *points) error {
	if !c.own {
		return errNoData
	}
	entries, err := c.number("net/netfilter/nf_conntrack_count")
	if err != nil {
		return err
	}
	limit, err := c.number("net/netfilter/nf_conntrack_max")
	if err != nil {
		return err
	}
	out.add("node_nf_conntrack_entries", nil, entries)
	out.add("node_nf_conntrack_entries_limit", nil, limit)
	return nil
}

func (c *conntrack) number(sysctl string) (float64, error) {
	numbers, err := c.proc.SysctlInts(sysctl)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, errNoData
	}
	if err != nil {
		return 0, err
	}
	if len(numbers) != 1 {
		return 0, errors.New(sysctl + " is not one number")
	}
	return float64(numbers[0]), nil
}

// pressure reads /proc/pressure, where the kernel has it.
type pressure struct{ proc procfs.FS }

func newPressure(proc procfs.FS) *pressure { return &pressure{proc} }

func (*pressure) name() string { return "pressure" }

func (p *pressure) read(_ context.Context, _ time.Time, out *points) error {
	for _, resource := range []struct{ file, waiting, stalled string }{
		{"cpu", "node_pressure_cpu_waiting_seconds_total", ""},
		{"memory", "node_pressure_memory_waiting_seconds_total", "node_pressure_memory_stalled_seconds_total"},
		{"io", "node_pressure_io_waiting_seconds_total", "node_pressure_io_stalled_seconds_total"},
	} {
		stats, err := p.proc.PSIStatsForResource(resource.file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOTSUP) {
			return errNoData
		}
		if err != nil {
			return err
		}
		addPressure(out, resource.waiting, stats.Some)
		addPressure(out, resource.stalled, stats.Full)
	}
	return nil
}

// addPressure adds a line's total, which the kernel gives in microseconds.
func addPressure(out *points, metric string, line *procfs.PSILine) {
	if metric != "" && line != nil {
		out.add(metric, nil, float64(line.Total)/1e6)
	}
}

// clock gives the machine's time and what uname says.
type clock struct{}

func newClock() *clock { return &clock{} }

func (*clock) name() string { return "clock" }

func (c *clock) read(_ context.Context, now time.Time, out *points) error {
	out.add("node_time_seconds", nil, float64(now.UnixNano())/1e9)
	labels, err := unameLabels()
	if err != nil {
		return err
	}
	out.add("node_uname_info", labels, 1)
	return nil
}

func unameLabels() ([]series.Label, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return nil, err
	}
	return []series.Label{
		{Name: "domainname", Value: unix.ByteSliceToString(u.Domainname[:])},
		{Name: "machine", Value: unix.ByteSliceToString(u.Machine[:])},
		{Name: "nodename", Value: unix.ByteSliceToString(u.Nodename[:])},
		{Name: "release", Value: unix.ByteSliceToString(u.Release[:])},
		{Name: "sysname", Value: unix.ByteSliceToString(u.Sysname[:])},
		{Name: "version", Value: unix.ByteSliceToString(u.Version[:])},
	}, nil
}
