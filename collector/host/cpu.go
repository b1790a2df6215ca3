package host

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/procfs"

	"github.com/lubberline/lubberline/collector/series"
)

// cpu reads /proc/stat.
type cpu struct {
	proc   procfs.FS
	labels map[cpuMode][]series.Label
	ids    []int64 // reused
}

type cpuMode struct {
	cpu  int64
	mode string
}

func newCPU(proc procfs.FS) *cpu {
	return &cpu{proc: proc, labels: make(map[cpuMode][]series.Label)}
}

func (*cpu) name() string { return "cpu" }

var cpuModes = []column[procfs.CPUStat]{
	{"user", func(s procfs.CPUStat) float64 { return s.User }},
	{"nice", func(s procfs.CPUStat) float64 { return s.Nice }},
	{"system", func(s procfs.CPUStat) float64 { return s.System }},
	{"idle", func(s procfs.CPUStat) float64 { return s.Idle }},
	{"iowait", func(s procfs.CPUStat) float64 { return s.Iowait }},
	{"irq", func(s procfs.CPUStat) float64 { return s.IRQ }},
	{"softirq", func(s procfs.CPUStat) float64 { return s.SoftIRQ }},
	{"steal", func(s procfs.CPUStat) float64 { return s.Steal }},
}

func (c *cpu) read(_ context.Context, _ time.Time, out *points) error {
	stat, err := c.proc.Stat()
	if err != nil {
		return err
	}
	c.ids = c.ids[:0]
	for id := range stat.CPU {
		c.ids = append(c.ids, id)
	}
	slices.Sort(c.ids)
	for _, id := range c.ids {
		for _, m := range cpuModes {
			out.add("node_cpu_seconds_total", c.labelsOf(id, m.name), m.get(stat.CPU[id]))
		}
	}
	out.add("node_boot_time_seconds", nil, float64(stat.BootTime))
	out.add("node_context_switches_total", nil, float64(stat.ContextSwitches))
	out.add("node_forks_total", nil, float64(stat.ProcessCreated))
	out.add("node_intr_total", nil, float64(stat.IRQTotal))
	out.add("node_procs_running", nil, float64(stat.ProcessesRunning))
	out.add("node_procs_blocked", nil, float64(stat.ProcessesBlocked))
	return nil
}

func (c *cpu) labelsOf(id int64, mode string) []series.Label {
	key := cpuMode{id, mode}
	labels, ok := c.labels[key]
	if !ok {
		labels = []series.Label{{Name: "cpu", Value: strconv.FormatInt(id, 10)}, {Name: "mode", Value: mode}}
		c.labels[key] = labels
	}
	return labels
}

// load reads /proc/loadavg.
type load struct{ proc procfs.FS }

func newLoad(proc procfs.FS) *load { return &load{proc} }

func (*load) name() string { return "loadavg" }

func (l *load) read(_ context.Context, _ time.Time, out *points) error {
	avg, err := l.proc.LoadAvg()
	if err != nil {
		return err
	}
	out.add("node_load1", nil, avg.Load1)
	out.add("node_load5", nil, avg.Load5)
	out.add("node_load15", nil, avg.Load15)
	return nil
}
