// Package series is the one table that links what a sample holds to the metrics
// of the catalog. Everything that publishes samples, pulled or pushed, walks it,
// so that both say the same.
package series

import (
	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/collector/reading"
)

// Label is one label of a series.
type Label struct{ Name, Value string }

// Point is one value of a series that belongs to the machine, not to a
// container. Labels are sorted by name and may be shared between points.
type Point struct {
	Name   string
	Labels []Label
	Value  float64
}

// Row is one kind of series that each container can have: a metric with labels
// that are fixed, and at most one that differs from series to series.
type Row struct {
	Metric catalog.Metric
	// Fixed are labels with one value for the whole row, sorted by name.
	Fixed []Label
	// Extra names the label that Each gives values for; empty for none.
	Extra string

	each func(*reading.Container, Emit)
}

// Emit takes one value. extra is the value of the row's Extra label.
type Emit func(extra string, v Value)

// Each calls emit for every value of the row that is known of the container.
// It allocates nothing.
func (r *Row) Each(c *reading.Container, emit Emit) { r.each(c, emit) }

// Rows returns the table in the catalog's order, so that the rows of one metric
// stand together. The slice is the caller's.
func Rows() []Row {
	bySource := make(map[string][]Row)
	for _, rows := range [][]Row{scalarRows(), blockRows(), networkRows(), filesystemRows(), stateRows()} {
		for _, r := range rows {
			bySource[r.Metric.Name] = append(bySource[r.Metric.Name], r)
		}
	}
	var ordered []Row
	for _, m := range catalog.Metrics() {
		ordered = append(ordered, bySource[m.Name]...)
	}
	return ordered
}

func blockRows() []Row {
	row := func(name string, get func(*reading.DeviceIO) uint64) Row {
		return Row{Metric: catalog.MustLookup(name), Extra: "device", each: func(c *reading.Container, emit Emit) {
			for i := range c.Sample.Devices {
				d := &c.Sample.Devices[i]
				emit(d.Device, Value{N: get(d)})
			}
		}}
	}
	return []Row{
		row("container_fs_reads_bytes_total", func(d *reading.DeviceIO) uint64 { return d.ReadBytes }),
		row("container_fs_writes_bytes_total", func(d *reading.DeviceIO) uint64 { return d.WriteBytes }),
		row("container_fs_reads_total", func(d *reading.DeviceIO) uint64 { return d.Reads }),
		row("container_fs_writes_total", func(d *reading.DeviceIO) uint64 { return d.Writes }),
	}
}

func networkRows() []Row {
	row := func(name string, get func(*reading.NetIO) uint64) Row {
		return Row{Metric: catalog.MustLookup("container_network_" + name), Extra: "interface", each: func(c *reading.Container, emit Emit) {
			for i := range c.Sample.Interfaces {
				n := &c.Sample.Interfaces[i]
				emit(n.Interface, Value{N: get(n)})
			}
		}}
	}
	return []Row{
		row("receive_bytes_total", func(n *reading.NetIO) uint64 { return n.RxBytes }),
		row("receive_packets_total", func(n *reading.NetIO) uint64 { return n.RxPackets }),
		row("receive_errors_total", func(n *reading.NetIO) uint64 { return n.RxErrors }),
		row("receive_packets_dropped_total", func(n *reading.NetIO) uint64 { return n.RxDropped }),
		row("transmit_bytes_total", func(n *reading.NetIO) uint64 { return n.TxBytes }),
		row("transmit_packets_total", func(n *reading.NetIO) uint64 { return n.TxPackets }),
		row("transmit_errors_total", func(n *reading.NetIO) uint64 { return n.TxErrors }),
		row("transmit_packets_dropped_total", func(n *reading.NetIO) uint64 { return n.TxDropped }),
	}
}

func filesystemRows() []Row {
	row := func(name string, get func(*reading.Filesystem) uint64) Row {
		return Row{Metric: catalog.MustLookup("container_fs_" + name), Extra: "device", each: func(c *reading.Container, emit Emit) {
			for i := range c.Sample.Filesystems {
				f := &c.Sample.Filesystems[i]
				emit(f.Device, Value{N: get(f)})
			}
		}}
	}
	return []Row{
		row("usage_bytes", func(f *reading.Filesystem) uint64 { return f.Usage }),
		row("limit_bytes", func(f *reading.Filesystem) uint64 { return f.Limit }),
		row("available_bytes", func(f *reading.Filesystem) uint64 { return f.Available }),
		row("inodes_total", func(f *reading.Filesystem) uint64 { return f.Inodes }),
		row("inodes_free", func(f *reading.Filesystem) uint64 { return f.InodesFree }),
	}
}

func stateRows() []Row {
	return []Row{
		{Metric: catalog.MustLookup("container_start_time_seconds"), each: func(c *reading.Container, emit Emit) {
			if started := Started(c); started > 0 {
				emit("", Value{N: uint64(started), Nano: true})
			}
		}},
		{Metric: catalog.MustLookup("container_last_seen"), each: func(c *reading.Container, emit Emit) {
			if c.Sample.Time > 0 {
				emit("", Value{N: uint64(c.Sample.Time), Nano: true})
			}
		}},
	}
}

// Started is when the container was started, in nanoseconds since the epoch: as
// its runtime says, or else when the cgroup was made. 0 when neither is known.
func Started(c *reading.Container) int64 {
	if c.Identity != nil && !c.Identity.Started.IsZero() {
		return c.Identity.Started.UnixNano()
	}
	if !c.Created.IsZero() {
		return c.Created.UnixNano()
	}
	return 0
}
