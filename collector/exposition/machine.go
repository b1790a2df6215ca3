package exposition

import (
	"cmp"
	"slices"
	"strings"

	"github.com/lubberline/lubberline/collector/series"
)

// machineFigures are those of a reading of the machine that the kubelet's
// shapes ask for. Zero means not known.
type machineFigures struct {
	busySeconds             float64
	total, available        float64 // memory, bytes
	boot                    float64 // seconds since the epoch
	rootSize, rootAvailable float64 // bytes of the filesystem "/"
	rootFiles, rootFree     float64 // inodes of it
	interfaces              []interfaceStats
}

func sumUp(points []series.Point) machineFigures {
	var m machineFigures
	for i := range points {
		switch p := &points[i]; p.Name {
		case "node_cpu_seconds_total":
			if mode := labelOf(p, "mode"); mode != "idle" && mode != "iowait" && mode != "steal" {
				m.busySeconds += p.Value
			}
		case "node_memory_MemTotal_bytes":
			m.total = p.Value
		case "node_memory_MemAvailable_bytes":
			m.available = p.Value
		case "node_boot_time_seconds":
			m.boot = p.Value
		default:
			m.filesystem(p)
			m.network(p)
		}
	}
	slices.SortFunc(m.interfaces, func(a, b interfaceStats) int { return cmp.Compare(a.Name, b.Name) })
	return m
}

func (m *machineFigures) filesystem(p *series.Point) {
	if !strings.HasPrefix(p.Name, "node_filesystem_") || labelOf(p, "mountpoint") != "/" {
		return
	}
	switch p.Name {
	case "node_filesystem_size_bytes":
		m.rootSize = p.Value
	case "node_filesystem_avail_bytes":
		m.rootAvailable = p.Value
	case "node_filesystem_files":
		m.rootFiles = p.Value
	case "node_filesystem_files_free":
		m.rootFree = p.Value
	}
}

func (m *machineFigures) network(p *series.Point) {
	device := labelOf(p, "device")
	if !strings.HasPrefix(p.Name, "node_network_") || device == "lo" {
		return
	}
	i := slices.IndexFunc(m.interfaces, func(s interfaceStats) bool { return s.Name == device })
	if i < 0 {
		i = len(m.interfaces)
		m.interfaces = append(m.interfaces, interfaceStats{Name: device})
	}
	s, value := &m.interfaces[i], new(uint64(p.Value))
	switch p.Name {
	case "node_network_receive_bytes_total":
		s.RxBytes = value
	case "node_network_receive_errs_total":
		s.RxErrors = value
	case "node_network_transmit_bytes_total":
		s.TxBytes = value
	case "node_network_transmit_errs_total":
		s.TxErrors = value
	}
}

func labelOf(p *series.Point, name string) string {
	for _, l := range p.Labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

func (m *machineFigures) cpu() *series.Value {
	if m.busySeconds == 0 {
		return nil
	}
	return &series.Value{N: uint64(m.busySeconds * 1e9), Nano: true}
}

func (m *machineFigures) workingSet() *series.Value {
	if m.total == 0 || m.available > m.total {
		return nil
	}
	return &series.Value{N: uint64(m.total - m.available)}
}
