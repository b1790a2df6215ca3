package rollup

import (
	"maps"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/lubberline/lubberline/catalog"
)

// Metrics whose labels say what an object is.
const (
	containerInfo = "lubberline_container_info"
	podInfo       = "lubberline_pod_info"
	nodeInfo      = "lubberline_node_info"
)

// object is one node, pod or container that delivers series. Owner: Rollup.mu.
type object struct {
	kind      catalog.ObjectKind
	key       string
	node      string
	namespace string
	pod       string
	container string
	cgroups   []cgroup // a container's newest cgroup, on each node that has one
	entries   []int32
	children  []*object // a pod's containers
	newest    int64     // time of the newest sample seen, in milliseconds

	image, podUID, podLabels string
	controller               string // "KIND/NAME"
	joined                   bool   // the cluster said what the pod is: it knows better than the runtime
	hostname, hostID         string
	labels                   map[string]string // built when first asked for
	labeled                  *object           // the node the labels were built with
}

// cgroup is a cgroup on a node, both as hashes of their names.
type cgroup struct{ node, id uint32 }

// identity finds out which object a series belongs to. False: none that figures
// are made for.
func identity(name string, l labels.Labels) (object, bool) {
	node := l.Get("node")
	if !strings.HasPrefix(name, "container_") && !strings.HasPrefix(name, "kube_pod_") && name != containerInfo && name != podInfo {
		return object{kind: catalog.Node, node: node, key: "node:" + node}, node != ""
	}
	id, namespace, pod, container := l.Get("id"), l.Get("namespace"), l.Get("pod"), l.Get("container")
	o := object{node: node, namespace: namespace, pod: pod, container: container}
	podKey := "namespace:" + namespace + "/pod:" + pod
	switch {
	case id == "/":
		o.kind, o.key = catalog.Node, "node:"+node
		return o, node != ""
	case pod != "" && container != "":
		o.kind, o.key = catalog.PodContainer, podKey+"/container:"+container
	case pod != "":
		o.kind, o.key = catalog.Pod, podKey
	case id != "" && namespace == "":
		o.kind, o.container = catalog.SystemContainer, strings.TrimPrefix(id, "/")
		o.key = "node:" + node + "/container:" + o.container
		return o, node != ""
	default:
		return o, false
	}
	return o, true
}

// labelSet returns Heapster's labels of the object; node may be nil. The map is
// shared by all batches until something changes.
func (o *object) labelSet(node *object) map[string]string {
	if o.labels != nil && o.labeled == node {
		return o.labels
	}
	all := map[string]string{
		"type":                 string(o.kind),
		"nodename":             o.node,
		"namespace_name":       o.namespace,
		"pod_name":             o.pod,
		"pod_id":               o.podUID,
		"container_name":       o.container,
		"container_base_image": o.image,
		"labels":               o.podLabels,
		"controller":           o.controller,
	}
	if node != nil {
		all["hostname"], all["host_id"] = node.hostname, node.hostID
	}
	maps.DeleteFunc(all, func(_, v string) bool { return v == "" })
	o.labels, o.labeled = all, node
	return all
}

// learn takes what a series' labels say of the object.
func (o *object) learn(name string, l labels.Labels) {
	changed := false
	set := func(field *string, v string) {
		if v != "" && *field != v {
			*field, changed = strings.Clone(v), true
		}
	}
	set(&o.node, l.Get("node"))
	if o.kind == catalog.PodContainer {
		set(&o.image, l.Get("image"))
	}
	switch name {
	case containerInfo:
		if o.kind == catalog.Pod || o.kind == catalog.PodContainer {
			set(&o.podUID, l.Get("pod_uid"))
		}
		if !o.joined {
			set(&o.podLabels, l.Get("labels"))
		}
	case podInfo:
		o.joined = true
		set(&o.podUID, l.Get("uid"))
		set(&o.podLabels, l.Get("labels"))
		if kind := l.Get("controller_kind"); kind != "" {
			set(&o.controller, kind+"/"+l.Get("controller"))
		}
	case nodeInfo:
		set(&o.hostname, l.Get("hostname"))
		set(&o.hostID, l.Get("machine_id"))
	}
	if changed {
		o.labels = nil
	}
}
