package rules

import "strings"

// Selectors of containers, without the sums over their pods: those of pods, and
// plain ones as Docker runs them.
const (
	ofPods  = `container!=""`
	ofPlain = `container="",pod="",image!=""`
)

// perContainer writes the expression for containers of pods and for plain ones;
// $ in it stands for the selector. The result has node, namespace, pod and
// container, or node and name: ids and images would make a new alert at each
// restart.
func perContainer(expr string) string {
	return "max by (node, namespace, pod, container) (" + strings.ReplaceAll(expr, "$", ofPods) +
		") or max by (node, name) (" + strings.ReplaceAll(expr, "$", ofPlain) + ")"
}

// onNode adds the pod's node to an expression that has namespace and pod, so that
// a lost node can mute the alerts of its pods. A pod has exactly one node, or
// none yet.
func onNode(expr string) string {
	return "(" + expr + ") * on (namespace, pod) group_left (node) topk by (namespace, pod) (1, max by (namespace, pod, node) (kube_pod_info))"
}

// live are the pods that count for what is used of a cluster.
const live = `on (namespace, pod) (kube_pod_status_phase{phase=~"Pending|Running"} == 1)`

// onDisk selects filesystems that hold data.
const onDisk = `fstype!~"tmpfs|devtmpfs|ramfs|squashfs|iso9660|overlay"`

// lostOf is the share of packets that are errors: the kernel does not count those
// among the packets, of which there may be no other.
func lostOf(errors, packets string) string {
	return "(" + errors + ") / (" + packets + " + " + errors + " > 0)"
}
