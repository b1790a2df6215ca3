// Package rollup makes the figures of every object, container to cluster, from
// the newest samples, once every resolution, and keeps the last minutes of them.
package rollup

import (
	"time"

	"github.com/lubberline/lubberline/catalog"
)

// Batch is the figures of every object at one moment of the grid. It is
// immutable once published: REST, sinks and history read the same one.
type Batch struct {
	// Time is the end of the window, on the resolution's grid.
	Time time.Time
	// Sets is sorted by Key.
	Sets []*MetricSet
}

// MetricSet is the figures of one object.
type MetricSet struct {
	// Key is Heapster's: "cluster", "namespace:NS", "node:NODE",
	// "namespace:NS/pod:POD", "namespace:NS/pod:POD/container:C",
	// "node:NODE/container:C".
	Key  string
	Kind catalog.ObjectKind
	// Labels are Heapster's (type, nodename, hostname, host_id, namespace_name,
	// namespace_id, pod_name, pod_id, container_name, container_base_image,
	// labels). Empty ones are left out. They may be shared between batches.
	Labels map[string]string
	// CollectionStart is when the object started to count: the start of
	// cumulative figures.
	CollectionStart time.Time
	// ScrapeTime is the time of the newest sample that went in.
	ScrapeTime time.Time
	// Values are the plain figures, sorted by metric name.
	Values []Value
	// Labeled are the labelled figures, sorted by metric name, then labels.
	Labeled []LabeledValue
}

// Value is one figure. Int is used where the metric's ValueType is int64,
// Float where it is double.
type Value struct {
	Metric *catalog.HeapsterMetric
	Int    int64
	Float  float64
}

// LabeledValue is one figure of a labelled metric.
type LabeledValue struct {
	Value
	Labels map[string]string // {"resource_id": "/dev/vda"}
}
