// Package logrecord is the shape of a log record as it passes from a collector
// through the spool and the forward protocol into a store. The field names are
// those that Fluentd's Kubernetes metadata plugin writes.
package logrecord

// Record is one log line with what is known of where it comes from.
type Record struct {
	// Time is when the line was written, in nanoseconds since the epoch.
	Time int64
	// Tag is the forward protocol's tag, "kubernetes.<namespace>.<pod>.<container>"
	// for containers.
	Tag string
	// Log is the line without its newline; partial lines are joined.
	Log string
	// Stream is "stdout", "stderr", or empty.
	Stream string
	// Source is where the line comes from; shared by the records of a chunk.
	Source *Source
	// Fields are further fields of a record that arrived by forward, as JSON
	// text of one object; empty when there are none.
	Fields string
}

// Source is the origin of a container's log lines.
type Source struct {
	Namespace, Pod, PodUID, Container, ContainerID, Image, Host string
	// Controller is the pod's topmost one as "KIND/NAME"; the aggregator adds it.
	Controller string
	Labels     map[string]string
}

// Names of the fields on the wire. Kubernetes fields are below FieldKubernetes,
// FieldContainerID below FieldDocker, as fluent-plugin-kubernetes_metadata_filter
// has them.
const (
	FieldLog        = "log"
	FieldStream     = "stream"
	FieldKubernetes = "kubernetes"
	FieldDocker     = "docker"

	FieldNamespace   = "namespace_name"
	FieldPod         = "pod_name"
	FieldPodUID      = "pod_id"
	FieldContainer   = "container_name"
	FieldImage       = "container_image"
	FieldLabels      = "labels"
	FieldHost        = "host"
	FieldController  = "controller"
	FieldContainerID = "container_id"
)

// OptionCommon is a key of the forward protocol's option map that Lubberline
// adds: a map of the fields that every record of the chunk has (kubernetes,
// docker, stream where it is the same). A sender uses it only towards another
// Lubberline; towards anything else it writes the fields into each record.
const OptionCommon = "lubberline_common"

// Batch is the records of one chunk under the id that makes a resend
// recognisable: a store that already holds the id takes nothing from it.
type Batch struct {
	ChunkID string
	Records []Record
}
