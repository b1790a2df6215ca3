package heapster

import (
	"context"
	"errors"
	"time"

	"github.com/lubberline/lubberline/catalog"
)

// History answers the historical paths from a store that outlives the process.
// Implementations are safe for concurrent use. An object or a metric that has
// no data in the range gives an empty answer, not an error; the handlers turn
// that into the answer the path calls for. Points and buckets are oldest first.
type History interface {
	// Names lists what there was below the object in [start, end]: sorted, each
	// once. See NameKind for which fields of the object count.
	Names(ctx context.Context, what NameKind, of Object, start, end time.Time) ([]string, error)
	// Series returns the raw points of one figure of one object. Both ends of
	// the range are exclusive, as Heapster had it.
	Series(ctx context.Context, of Object, figure Figure, start, end time.Time) ([]Point, error)
	// Aggregated cuts the range into buckets and returns the aggregations asked
	// for. A bucket of 0 means one bucket over the whole range. Buckets without
	// points are left out.
	Aggregated(ctx context.Context, of Object, figure Figure, q Aggregation) ([]Bucket, error)
}

// ErrUnknownMetric is wrapped by History's methods when they know no metric of
// that name. The handlers answer 404.
var ErrUnknownMetric = errors.New("unknown metric")

// NameKind is what Names lists.
type NameKind string

// The lists, and the fields of the Object that narrow them.
const (
	NodeNames            NameKind = "nodes"
	NamespaceNames       NameKind = "namespaces"
	PodNames             NameKind = "pods"           // Namespace
	ContainerNames       NameKind = "containers"     // Namespace and Pod, or PodID
	SystemContainerNames NameKind = "freecontainers" // Node
	MetricNames          NameKind = "metrics"        // all of the Object: plain (unlabelled) Heapster names
)

// Object names one object. Which fields are set follows from Kind: Node for
// nodes; Node and Container for system containers; Namespace; Namespace and
// Pod, or PodID instead of both; and Container besides for a pod's container.
type Object struct {
	Kind      catalog.ObjectKind
	Node      string
	Namespace string
	Pod       string
	PodID     string
	Container string
}

// String is the object in Heapster's words, for error messages:
// "(pod)namespace:ns/pod:p".
func (o Object) String() string { return "(" + string(o.Kind) + ")" + o.Key() }

// Key is the object's key in a batch, "pod-id:UID…" where only that is known.
func (o Object) Key() string {
	switch o.Kind {
	case catalog.Namespace:
		return "namespace:" + o.Namespace
	case catalog.Node:
		return "node:" + o.Node
	case catalog.SystemContainer:
		return "node:" + o.Node + "/container:" + o.Container
	case catalog.Pod:
		return o.podKey()
	case catalog.PodContainer:
		return o.podKey() + "/container:" + o.Container
	default:
		return "cluster"
	}
}

func (o Object) podKey() string {
	if o.PodID != "" {
		return "pod-id:" + o.PodID
	}
	return "namespace:" + o.Namespace + "/pod:" + o.Pod
}

// Figure names a metric by its Heapster name and, for a labelled one, the
// labels that its points must have, all of them. Nil for a plain metric.
type Figure struct {
	Metric string
	Labels map[string]string
}

// Point is one figure at one moment.
type Point struct {
	Time  time.Time
	Value Number
}

// Number is a figure: Int where IsFloat is false, else Float.
type Number struct {
	IsFloat bool
	Int     int64
	Float   float64
}

// Aggregation is what to compute over which range. Start and End are exclusive.
type Aggregation struct {
	Start, End time.Time
	Bucket     time.Duration
	// Want lists the aggregations, without repeats.
	Want []AggregationKind
}

// AggregationKind is one aggregation, as the path writes it.
type AggregationKind string

// The aggregations of the historical API.
const (
	Average      AggregationKind = "average"
	Maximum      AggregationKind = "max"
	Minimum      AggregationKind = "min"
	Median       AggregationKind = "median"
	Count        AggregationKind = "count"
	Percentile50 AggregationKind = "50-perc"
	Percentile95 AggregationKind = "95-perc"
	Percentile99 AggregationKind = "99-perc"
)

// Bucket is the aggregations of one stretch of time that starts at Time. Only
// those asked for are in Values; Count is set when it was asked for.
type Bucket struct {
	Time   time.Time
	Count  *uint64
	Values map[AggregationKind]Number
}
