package catalog

// How is the way in which a figure comes from what was measured.
type How string

// The ways.
const (
	// Last is the newest value, scaled. Several series of the object (interfaces,
	// CPUs) are added, or the greatest is taken where Max is set.
	Last How = "last"
	// Rate is the growth per second between two samples, scaled; series are
	// added. It needs a strictly newer sample; a counter that went back gives
	// nothing.
	Rate How = "rate"
	// Age is the time since the moment that the (earliest) value tells, scaled.
	Age How = "age"
	// SumOf adds the figure of the objects below: a pod's containers, a
	// namespace's pods, all pods of the cluster, the containers on a node. With
	// Max it is the greatest of them.
	SumOf How = "sum"
	// Only is the figure of the pod's single container: where a pod has no
	// cgroup of its own and one container, the two are the same.
	Only How = "only"
	// Share is one figure of the same object divided by another.
	Share How = "share"
	// Zero is 0, for what is unset and written all the same.
	Zero How = "zero"
)

// Op joins the two metrics of a Last.
type Op string

// The joins.
const (
	Plus      Op = "+"
	Minus     Op = "-"
	DividedBy Op = "/"
)

// Scope says which series of an object count.
type Scope string

// The scopes. Own is the object's own cgroup (for a pod: not its sandbox's, not
// its containers'). AnyOfPod takes the series of the pod's cgroup, its sandbox
// and its containers alike: what belongs to the pod whoever reports it, such as
// traffic.
const (
	Own      Scope = ""
	AnyOfPod Scope = "any of pod"
)

// Match narrows the series to those whose label has the value. Regex makes
// Value a regular expression over the whole label value, Not turns it round.
type Match struct {
	Label, Value string
	Regex, Not   bool
}

// Derivation is how objects of one kind come by a Heapster figure.
type Derivation struct {
	Kind  ObjectKind
	How   How
	Scope Scope
	// Metric is the Prometheus metric; for Share, the Heapster figure above the
	// line. Empty for SumOf, Only and Zero.
	Metric string
	// Second is joined to Metric by Op, label set by label set; for Share, the
	// Heapster figure below the line.
	Second string
	Op     Op
	Match  []Match
	// Scale turns the Prometheus unit into Heapster's.
	Scale float64
	// From are the labels of the series whose values become the figure's labels,
	// in the order of HeapsterMetric.Labels. Empty for plain figures.
	From []string
	// Max takes the greatest instead of the sum: of several series of one
	// resource (one filesystem mounted twice), or of the objects below.
	Max bool
}

// Metrics of kube-state-metrics that figures come from where someone sends
// them.
const (
	KubeRequests        = "kube_pod_container_resource_requests"
	KubeLimits          = "kube_pod_container_resource_limits"
	KubeRestarts        = "kube_pod_container_status_restarts_total"
	KubeNodeCapacity    = "kube_node_status_capacity"
	KubeNodeAllocatable = "kube_node_status_allocatable"
)

// Metrics that our collector does not send but cAdvisor does.
const (
	loadAverage       = "container_cpu_load_average_10s"
	acceleratorTotal  = "container_accelerator_memory_total_bytes"
	acceleratorUsed   = "container_accelerator_memory_used_bytes"
	acceleratorActive = "container_accelerator_duty_cycle"
)

// Presence is the metric that every container seen by a collector has: what
// PromQL hangs zeros on.
const Presence = "container_last_seen"
