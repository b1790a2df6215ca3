package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	cadvisor "github.com/google/cadvisor/lib/machine"
	"github.com/google/cadvisor/lib/utils/sysfs"

	"github.com/lubberline/lubberline/collector/series"
)

// machine describes the machine, through cAdvisor's library. It changes next to
// never (a CPU taken offline, swap added), so that it is read seldom.
type machine struct {
	options Options
	sys     sysfs.SysFs
	load    func() ([]series.Point, error)

	points   []series.Point
	reloadAt time.Time
}

const reloadMachine = 10 * time.Minute

func newMachine(options Options) *machine {
	m := &machine{options: options, sys: sysfs.NewRealSysFs()}
	m.load = m.describe
	return m
}

func (*machine) name() string { return "machine" }

func (m *machine) read(_ context.Context, now time.Time, out *points) error {
	if !now.Before(m.reloadAt) || now.Add(reloadMachine).Before(m.reloadAt) {
		points, err := m.load()
		if err != nil {
			return err
		}
		m.points, m.reloadAt = points, now.Add(reloadMachine)
	}
	out.list = append(out.list, m.points...)
	return nil
}

func (m *machine) describe() ([]series.Point, error) {
	cpuinfo, err := os.ReadFile(filepath.Join(m.options.ProcPath, "cpuinfo"))
	if err != nil {
		return nil, fmt.Errorf("read cpuinfo: %w", err)
	}
	_, cores, err := cadvisor.GetTopology(m.sys)
	if err != nil {
		return nil, fmt.Errorf("read the topology: %w", err)
	}
	memory, err := cadvisor.GetMachineMemoryCapacity()
	if err != nil {
		return nil, fmt.Errorf("read the size of memory: %w", err)
	}
	swap, err := cadvisor.GetMachineSwapCapacity()
	if err != nil {
		return nil, fmt.Errorf("read the size of swap: %w", err)
	}
	return []series.Point{
		{Name: "machine_cpu_cores", Value: float64(cores)},
		{Name: "machine_cpu_physical_cores", Value: float64(cadvisor.GetPhysicalCores(cpuinfo))},
		{Name: "machine_cpu_sockets", Value: float64(cadvisor.GetSockets(cpuinfo))},
		{Name: "machine_memory_bytes", Value: float64(memory)},
		{Name: "machine_swap_bytes", Value: float64(swap)},
		{Name: "lubberline_node_info", Labels: m.infoLabels(), Value: 1},
	}, nil
}

// infoLabels are what identifies the machine, without what is not known.
func (m *machine) infoLabels() []series.Label {
	var labels []series.Label
	for _, l := range []series.Label{
		{Name: "boot_id", Value: firstLine(filepath.Join(m.options.ProcPath, "sys/kernel/random/boot_id"))},
		{Name: "hostname", Value: m.options.Hostname},
		{Name: "kernel", Value: cadvisor.KernelVersion()},
		{Name: "machine_id", Value: firstLine(m.options.Root.Path("/etc/machine-id"), m.options.Root.Path("/var/lib/dbus/machine-id"))},
		{Name: "os", Value: prettyName(m.options.Root.Path("/etc/os-release"))},
	} {
		if l.Value != "" && l.Value != "Unknown" {
			labels = append(labels, l)
		}
	}
	return labels
}

// prettyName is how an operating system calls itself for people.
func prettyName(path string) string {
	text, _ := os.ReadFile(path) // without it the name is not known
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
			return strings.Trim(strings.TrimSpace(name), `"'`)
		}
	}
	return ""
}

// firstLine returns the first line of the first file that can be read.
func firstLine(paths ...string) string {
	for _, path := range paths {
		if text, err := os.ReadFile(path); err == nil {
			line, _, _ := strings.Cut(string(text), "\n")
			return strings.TrimSpace(line)
		}
	}
	return ""
}
