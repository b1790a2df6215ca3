package tables

import (
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// Labels that give a node its role: the suffix of the first, the value of the
// second.
const (
	rolePrefix = "node-role.kubernetes.io/"
	roleLabel  = "kubernetes.io/role"
)

func (t *Tables) addCluster(now func() time.Time) {
	info, status := corev1.NodeSystemInfo{}.SwaggerDoc(), corev1.NodeStatus{}.SwaggerDoc()
	add(t, now, "", "nodes", []metav1.TableColumnDefinition{
		nameColumn(),
		text("Status", "The status of the node"),
		text("Roles", "The roles of the node"),
		ageColumn(),
		text("Version", info["kubeletVersion"]),
		wide("Internal-IP", status["addresses"]),
		wide("External-IP", status["addresses"]),
		wide("OS-Image", info["osImage"]),
		wide("Kernel-Version", info["kernelVersion"]),
		wide("Container-Runtime", info["containerRuntimeVersion"]),
	}, nodeRow)
	add(t, now, "", "namespaces", []metav1.TableColumnDefinition{
		nameColumn(), text("Status", "The status of the namespace"), ageColumn(),
	}, func(n *corev1.Namespace, now time.Time) row {
		return cells(n.Name, string(n.Status.Phase), since(n.CreationTimestamp, now))
	})
	add(t, now, "coordination.k8s.io", "leases", []metav1.TableColumnDefinition{
		nameColumn(), text("Holder", coordinationv1.LeaseSpec{}.SwaggerDoc()["holderIdentity"]), ageColumn(),
	}, func(l *coordinationv1.Lease, now time.Time) row {
		return cells(l.Name, ptr.Deref(l.Spec.HolderIdentity, ""), since(l.CreationTimestamp, now))
	})
	t.addPriorityClasses(now)
}

func (t *Tables) addPriorityClasses(now func() time.Time) {
	doc := schedulingv1.PriorityClass{}.SwaggerDoc()
	global := text("Global-Default", doc["globalDefault"])
	global.Type = "boolean"
	add(t, now, "scheduling.k8s.io", "priorityclasses", []metav1.TableColumnDefinition{
		nameColumn(),
		number("Value", doc["value"]),
		global,
		ageColumn(),
		text("PreemptionPolicy", doc["preemptionPolicy"]),
	}, func(p *schedulingv1.PriorityClass, now time.Time) row {
		return cells(p.Name, int64(p.Value), p.GlobalDefault, since(p.CreationTimestamp, now),
			string(ptr.Deref(p.PreemptionPolicy, "")))
	})
}

func nodeRow(n *corev1.Node, now time.Time) row {
	info := &n.Status.NodeInfo
	return cells(n.Name, nodeStatus(n), orNone(strings.Join(nodeRoles(n), ",")), since(n.CreationTimestamp, now),
		info.KubeletVersion, nodeAddress(n, corev1.NodeInternalIP), nodeAddress(n, corev1.NodeExternalIP),
		or(info.OSImage, "<unknown>"), or(info.KernelVersion, "<unknown>"), or(info.ContainerRuntimeVersion, "<unknown>"))
}

func nodeStatus(n *corev1.Node) string {
	status := "Unknown"
	for _, c := range n.Status.Conditions {
		if c.Type != corev1.NodeReady {
			continue
		}
		status = "NotReady"
		if c.Status == corev1.ConditionTrue {
			status = "Ready"
		}
	}
	if n.Spec.Unschedulable {
		status += ",SchedulingDisabled"
	}
	return status
}

func nodeRoles(n *corev1.Node) []string {
	var roles []string
	for k, v := range n.Labels {
		if role, ok := strings.CutPrefix(k, rolePrefix); ok && role != "" {
			roles = append(roles, role)
		} else if k == roleLabel && v != "" {
			roles = append(roles, v)
		}
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

func nodeAddress(n *corev1.Node, kind corev1.NodeAddressType) string {
	for _, a := range n.Status.Addresses {
		if a.Type == kind {
			return a.Address
		}
	}
	return "<none>"
}
