package exposition

import (
	"net/http"
	"strconv"
	"time"

	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/collector/series"
)

// The kubelet's resource metrics; their names are part of its interface.
var (
	nodeCPU       = catalog.Metric{Name: "node_cpu_usage_seconds_total", Kind: catalog.Counter, Help: "Cumulative CPU time used by the node, in seconds."}
	nodeMemory    = catalog.Metric{Name: "node_memory_working_set_bytes", Kind: catalog.Gauge, Help: "Working set of the node, in bytes."}
	podCPU        = catalog.Metric{Name: "pod_cpu_usage_seconds_total", Kind: catalog.Counter, Help: "Cumulative CPU time used by the pod, in seconds."}
	podMemory     = catalog.Metric{Name: "pod_memory_working_set_bytes", Kind: catalog.Gauge, Help: "Working set of the pod, in bytes."}
	scrapeError   = catalog.Metric{Name: "scrape_error", Kind: catalog.Gauge, Help: "1 if there was no sample to give, else 0. The older name."}
	resourceError = catalog.Metric{Name: "resource_scrape_error", Kind: catalog.Gauge, Help: "1 if there was no sample to give, else 0."}
)

// resourceRow is one metric of containers or pods, with where its value is from.
type resourceRow struct {
	metric catalog.Metric
	field  reading.Field
	nano   bool
}

func (e *Exposition) serveResource(w http.ResponseWriter, r *http.Request) {
	respond(w, r, textType, func(b []byte) []byte {
		e.containers.View(func(tick time.Time, cs []*reading.Container) {
			b = e.appendResource(b, tick, group(cs))
		})
		return b
	})
}

func (e *Exposition) appendResource(b []byte, tick time.Time, n node) []byte {
	b = appendContainerRow(b, n, resourceRow{catalog.MustLookup("container_cpu_usage_seconds_total"), reading.CPUUsage, true})
	b = appendContainerRow(b, n, resourceRow{catalog.MustLookup("container_memory_working_set_bytes"), reading.MemoryWorkingSet, false})
	b = appendStartTimes(b, n)
	cpu, memory, at := e.nodeFigures(n)
	b = appendNodeRow(b, nodeCPU, cpu, at)
	b = appendNodeRow(b, nodeMemory, memory, at)
	b = appendPodRow(b, n, resourceRow{podCPU, reading.CPUUsage, true})
	b = appendPodRow(b, n, resourceRow{podMemory, reading.MemoryWorkingSet, false})
	failed := "0\n"
	if tick.IsZero() {
		failed = "1\n"
	}
	for _, m := range []catalog.Metric{resourceError, scrapeError} {
		b = appendHead(b, m)
		b = append(append(append(b, m.Name...), ' '), failed...)
	}
	return b
}

func appendContainerRow(b []byte, n node, row resourceRow) []byte {
	head := false
	for _, p := range n.pods {
		for _, c := range p.containers {
			if v, ok := c.Sample.Get(row.field); ok {
				b = appendHeadOnce(b, row.metric, &head)
				b = appendObject(b, row.metric.Name, c.Identity.Container, p, series.Value{N: v, Nano: row.nano}, c.Sample.Time)
			}
		}
	}
	return b
}

// appendStartTimes has no timestamps: as with the kubelet, the value is itself
// a time and stands until the container is started anew.
func appendStartTimes(b []byte, n node) []byte {
	metric, head := catalog.MustLookup("container_start_time_seconds"), false
	for _, p := range n.pods {
		for _, c := range p.containers {
			if started := series.Started(c); started > 0 {
				b = appendHeadOnce(b, metric, &head)
				b = appendObject(b, metric.Name, c.Identity.Container, p, series.Value{N: uint64(started), Nano: true}, 0)
			}
		}
	}
	return b
}

func appendPodRow(b []byte, n node, row resourceRow) []byte {
	head := false
	for _, p := range n.pods {
		if v, ok := p.total(row.field); ok {
			b = appendHeadOnce(b, row.metric, &head)
			b = appendObject(b, row.metric.Name, "", p, series.Value{N: v, Nano: row.nano}, p.newest())
		}
	}
	return b
}

func appendNodeRow(b []byte, m catalog.Metric, v *series.Value, at int64) []byte {
	if v == nil {
		return b
	}
	b = appendHead(b, m)
	b = append(append(b, m.Name...), ' ')
	b = v.Append(b)
	return appendTime(b, at)
}

func appendHeadOnce(b []byte, m catalog.Metric, done *bool) []byte {
	if *done {
		return b
	}
	*done = true
	return appendHead(b, m)
}

// appendObject writes one line for a container, or for a pod when container is
// empty.
func appendObject(b []byte, name, container string, p *pod, v series.Value, at int64) []byte {
	b = append(append(b, name...), '{')
	if container != "" {
		b = append(appendLabel(b, "container", container), ',')
	}
	b = append(appendLabel(b, "namespace", p.namespace), ',')
	b = append(appendLabel(b, "pod", p.name), '}', ' ')
	b = v.Append(b)
	return appendTime(b, at)
}

// appendTime ends a line, with the time unless it is 0.
func appendTime(b []byte, nanoseconds int64) []byte {
	if nanoseconds != 0 {
		b = append(b, ' ')
		b = strconv.AppendInt(b, nanoseconds/1e6, 10)
	}
	return append(b, '\n')
}

// nodeFigures are CPU and working set of the machine and their time: from the
// root cgroup, or where that has no such figure (cgroup v2 has none for memory)
// from /proc.
func (e *Exposition) nodeFigures(n node) (cpu, memory *series.Value, at int64) {
	e.machine.View(func(t time.Time, points []series.Point) {
		if t.IsZero() {
			return
		}
		m := sumUp(points)
		cpu, memory, at = m.cpu(), m.workingSet(), t.UnixNano()
	})
	if n.root == nil {
		return cpu, memory, at
	}
	sample := &n.root.Sample
	if v, ok := sample.Get(reading.CPUUsage); ok {
		cpu, at = &series.Value{N: v, Nano: true}, sample.Time
	}
	if v, ok := sample.Get(reading.MemoryWorkingSet); ok {
		memory, at = &series.Value{N: v}, sample.Time
	}
	return cpu, memory, at
}
