package catalog

import (
	"fmt"
	"strings"
)

// ObjectKind is the kind of thing a Heapster figure belongs to: the value of
// Heapster's label "type".
type ObjectKind string

// Heapster's object kinds.
const (
	Cluster         ObjectKind = "cluster"
	Namespace       ObjectKind = "ns"
	Node            ObjectKind = "node"
	Pod             ObjectKind = "pod"
	PodContainer    ObjectKind = "pod_container"
	SystemContainer ObjectKind = "sys_container"
)

// HeapsterType is how the export schema names the kind of a figure.
type HeapsterType string

// Heapster's metric types.
const (
	Cumulative    HeapsterType = "cumulative"
	HeapsterGauge HeapsterType = "gauge"
)

// ValueType is how the export schema names the type of a figure's values.
type ValueType string

// Heapster's value types.
const (
	Int64  ValueType = "int64"
	Double ValueType = "double"
)

// HeapsterMetric is one figure of Heapster's model, its REST paths and its
// sinks (docs/storage-schema.md of kubernetes-retired/heapster).
type HeapsterMetric struct {
	Name        string // "cpu/usage_rate"
	Description string
	Type        HeapsterType
	ValueType   ValueType
	// Units is as the schema writes it: bytes, ms, ns, millicores, or empty.
	Units string
	// Labels are the label keys of a labelled metric ("resource_id"); empty
	// for a plain one.
	Labels []string
	// Exported says whether metric-export and its schema list the figure.
	Exported bool
	// Derivations say how each kind of object comes by the figure. For one kind
	// they stand in the order of preference: the first that gives a value
	// counts.
	Derivations []Derivation
}

// Labeled reports whether the figure has a value per label set.
func (m *HeapsterMetric) Labeled() bool { return len(m.Labels) > 0 }

// For returns the derivations for a kind, in the order of preference.
func (m *HeapsterMetric) For(kind ObjectKind) []Derivation {
	var of []Derivation
	for _, d := range m.Derivations {
		if d.Kind == kind {
			of = append(of, d)
		}
	}
	return of
}

// HeapsterMetrics returns every Heapster metric, in the order of the
// specification. They are shared and must not be changed.
func HeapsterMetrics() []*HeapsterMetric {
	return append([]*HeapsterMetric(nil), heapsterMetrics...)
}

// resourceRequestSuffix ends the names of the figures that stand for requests
// of any other resource, "nvidia_com_gpu/request".
const resourceRequestSuffix = "/request"

// LookupHeapster returns the metric of that name. Names of the form
// <resource>/request that are not in the table stand for requests of extended
// resources and give a new metric each time.
func LookupHeapster(name string) (*HeapsterMetric, bool) {
	if m, ok := heapsterByName[name]; ok {
		return m, true
	}
	resource, ok := strings.CutSuffix(name, resourceRequestSuffix)
	if !ok || resource == "" || strings.Contains(resource, "/") {
		return nil, false
	}
	return ResourceRequest(resource), true
}

// ResourceRequest is the figure for a container's request of an extended
// resource, named as kube-state-metrics writes it ("nvidia_com_gpu").
func ResourceRequest(resource string) *HeapsterMetric {
	return &HeapsterMetric{
		Name:        resource + resourceRequestSuffix,
		Description: "Requests of " + resource + ".",
		Type:        HeapsterGauge, ValueType: Int64,
		Derivations: []Derivation{{
			Kind: PodContainer, How: Last, Metric: KubeRequests, Scale: 1,
			Match: []Match{{Label: "resource", Value: resource}},
		}},
	}
}

var heapsterMetrics = heapsterTable()

var heapsterByName = func() map[string]*HeapsterMetric {
	m := make(map[string]*HeapsterMetric, len(heapsterMetrics))
	for _, metric := range heapsterMetrics {
		if _, twice := m[metric.Name]; twice {
			panic(fmt.Sprintf("BUG: catalog: Heapster metric %q is listed twice", metric.Name))
		}
		m[metric.Name] = metric
	}
	return m
}()
