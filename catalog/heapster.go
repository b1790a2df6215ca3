package catalog

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
}
