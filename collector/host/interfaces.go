package host

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// interfaces reads /proc/net/dev, of process 1 where this one is in another
// network namespace.
type interfaces struct {
	proc   procfs.FS
	own    bool // this process is in the machine's network namespace
	labels labelCache
	names  []string // reused
}

func newInterfaces(proc procfs.FS, own bool) *interfaces {
	return &interfaces{proc: proc, own: own, labels: newLabelCache("device")}
}

func (*interfaces) name() string { return "netdev" }

var interfaceColumns = []column[procfs.NetDevLine]{
	{"node_network_receive_bytes_total", func(l procfs.NetDevLine) float64 { return float64(l.RxBytes) }},
	{"node_network_receive_packets_total", func(l procfs.NetDevLine) float64 { return float64(l.RxPackets) }},
	{"node_network_receive_errs_total", func(l procfs.NetDevLine) float64 { return float64(l.RxErrors) }},
	{"node_network_receive_drop_total", func(l procfs.NetDevLine) float64 { return float64(l.RxDropped) }},
	{"node_network_transmit_bytes_total", func(l procfs.NetDevLine) float64 { return float64(l.TxBytes) }},
	{"node_network_transmit_packets_total", func(l procfs.NetDevLine) float64 { return float64(l.TxPackets) }},
	{"node_network_transmit_errs_total", func(l procfs.NetDevLine) float64 { return float64(l.TxErrors) }},
	{"node_network_transmit_drop_total", func(l procfs.NetDevLine) float64 { return float64(l.TxDropped) }},
}

func (n *interfaces) read(_ context.Context, _ time.Time, out *points) error {
	lines, err := n.table()
	if err != nil {
		return err
	}
	n.names = n.names[:0]
	for name := range lines {
		if !isContainerEnd(name) {
			n.names = append(n.names, name)
		}
	}
	slices.Sort(n.names)
	for _, c := range interfaceColumns {
		for _, name := range n.names {
			out.add(c.name, n.labels.of(name), c.get(lines[name]))
		}
	}
	return nil
}

// table is that of the machine.
func (n *interfaces) table() (procfs.NetDev, error) {
	if n.own {
		return n.proc.NetDev()
	}
	first, err := n.proc.Proc(1)
	if err != nil {
		return nil, err
	}
	return first.NetDev()
}

// ownNetwork says whether this process is in the network namespace of process 1;
// also where that must not be looked at.
func ownNetwork(procPath string) bool {
	own, err := os.Stat(filepath.Join(procPath, "self/ns/net"))
	if err != nil {
		return true
	}
	first, err := os.Stat(filepath.Join(procPath, "1/ns/net"))
	return err != nil || os.SameFile(own, first)
}

// isContainerEnd leaves out the host's ends of containers' links: their traffic
// is published with the containers, and their names come and go.
func isContainerEnd(name string) bool {
	for _, prefix := range []string{"veth", "cali", "lxc"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
