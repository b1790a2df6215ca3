package state

import (
	"strings"

	v1 "k8s.io/api/core/v1"
)

// rolePrefix is that of the labels which say a node's roles.
const rolePrefix = "node-role.kubernetes.io/"

// Node emits everything about a node.
func Node(emit Emit, n *v1.Node) {
	emit = emit.with("node", n.Name)
	info := n.Status.NodeInfo
	internal := ""
	for _, a := range n.Status.Addresses {
		emit.one("kube_node_status_addresses", "type", string(a.Type), "address", a.Address)
		if a.Type == v1.NodeInternalIP && internal == "" {
			internal = a.Address
		}
	}
	emit.one("kube_node_info", "kernel_version", info.KernelVersion, "os_image", info.OSImage,
		"container_runtime_version", info.ContainerRuntimeVersion, "kubelet_version", info.KubeletVersion,
		"kubeproxy_version", "deprecated", "provider_id", n.Spec.ProviderID, "pod_cidr", n.Spec.PodCIDR,
		"system_uuid", info.SystemUUID, "internal_ip", internal)
	emit.time("kube_node_created", &n.CreationTimestamp)
	emit.labels("kube_node_labels", n.Labels)
	for name := range n.Labels {
		if role, ok := strings.CutPrefix(name, rolePrefix); ok {
			emit.one("kube_node_role", "role", role)
		}
	}
	emit.flag("kube_node_spec_unschedulable", n.Spec.Unschedulable)
	for _, t := range n.Spec.Taints {
		emit.one("kube_node_spec_taint", "key", t.Key, "value", t.Value, "effect", string(t.Effect))
	}
	for _, c := range n.Status.Conditions {
		emit.condition("kube_node_status_condition", "status", c.Status, "condition", string(c.Type))
	}
	emit.resources("kube_node_status_capacity", n.Status.Capacity)
	emit.resources("kube_node_status_allocatable", n.Status.Allocatable)
}
