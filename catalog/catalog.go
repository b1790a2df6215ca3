// Package catalog is the one table of every metric Lubberline knows: its
// Prometheus name, unit, kind and labels, the objects that have it, and the
// Heapster figures derived from it. Everything that lists metrics (the export
// schema, docs/metrics.md, dashboards, alert rules) is generated from it, so a
// unit or a help text is written once. The package imports nothing of ours.
package catalog

import "fmt"

// Kind says how a metric's value moves.
type Kind string

// The kinds of metric.
const (
	Counter Kind = "counter" // only grows, but for resets
	Gauge   Kind = "gauge"   // goes up and down
)

// Unit is the unit of a metric's value, in Prometheus base units.
type Unit string

// The units in use. None is a plain count.
const (
	None      Unit = ""
	Bytes     Unit = "bytes"
	Seconds   Unit = "seconds"
	Ratio     Unit = "ratio"
	Hertz     Unit = "hertz"
	Timestamp Unit = "unix seconds"
)

// Group is the family a metric belongs to; docs and dashboards are cut by it.
type Group string

// The groups, in the order in which documents list them.
const (
	CPU        Group = "CPU"
	Memory     Group = "memory"
	Network    Group = "network"
	BlockIO    Group = "block I/O"
	Filesystem Group = "filesystem"
	Tasks      Group = "tasks"
	Pressure   Group = "pressure"
	Spec       Group = "spec"
	State      Group = "state"
	Machine    Group = "machine"
	Host       Group = "host"
	Kubernetes Group = "Kubernetes objects"
)

// Metric is one Prometheus metric family that Lubberline publishes.
type Metric struct {
	// Name is cAdvisor's name for containers (container_…, machine_…),
	// node_exporter's for hosts (node_…), and lubberline_… for our own.
	Name string
	Help string
	Unit Unit
	Kind Kind
	// Group is the family the metric is listed under.
	Group Group
	// Labels are those beyond the identity of the object.
	Labels []string
}

// IdentityLabels are on every container series. Empty ones are left out: a raw
// cgroup has only id, a Kubernetes sandbox has no container.
var IdentityLabels = []string{"id", "name", "image", "namespace", "pod", "container"}

// SourceLabels are added to every series that leaves the collector by remote
// write.
var SourceLabels = []string{"job", "instance", "node"}

// Metrics returns all metrics, in the order of their groups and then as listed.
// The slice is the caller's.
func Metrics() []Metric {
	var all []Metric
	for _, table := range [][]Metric{containerMetrics, machineMetrics, hostMetrics, ownMetrics, kubernetesMetrics} {
		all = append(all, table...)
	}
	return all
}

var byName = func() map[string]Metric {
	m := make(map[string]Metric)
	for _, metric := range Metrics() {
		if _, twice := m[metric.Name]; twice {
			panic(fmt.Sprintf("BUG: catalog: metric %q is listed twice", metric.Name))
		}
		m[metric.Name] = metric
	}
	return m
}()

// Lookup returns the metric of that Prometheus name.
func Lookup(name string) (Metric, bool) {
	m, ok := byName[name]
	return m, ok
}

// MustLookup is Lookup for names written in our own code.
func MustLookup(name string) Metric {
	m, ok := byName[name]
	if !ok {
		panic(fmt.Sprintf("BUG: catalog: no metric %q", name))
	}
	return m
}
