package rules

import (
	"time"

	"github.com/lubberline/lubberline/catalog"
)

func podRules() []Rule {
	return []Rule{
		{
			Name: "PodNotReady", Of: aPod, Says: "is not ready",
			Why: "It gets no traffic. It started, or is bound to a node, but does not become ready; no container says why.",
			Expr: onNode(`max by (namespace, pod) (kube_pod_status_phase{phase=~"Pending|Unknown"} == 1 or kube_pod_status_phase{phase="Running"} == 1 and on (namespace, pod) kube_pod_status_ready{condition="true"} == 0)` +
				` unless on (namespace, pod) (kube_pod_owner{owner_kind="Job"} or kube_pod_status_unschedulable == 1 or kube_pod_deletion_timestamp` +
				` or kube_pod_container_status_waiting_reason{reason=~"` + crashReason + `|` + pullReasons + `|` + startReasons + `"} == 1)`),
			For: 15 * time.Minute, Severity: Warning,
		},
		{
			Name: "PodUnschedulable", Of: aPod, Says: "fits no node",
			Why:  "No node has what it requests, or all that have are excluded by its selectors or by taints.",
			Expr: `max by (namespace, pod) (kube_pod_status_unschedulable)`,
			When: atLeast(1), For: 10 * time.Minute, Severity: Warning,
		},
		{
			Name: "PodStuckTerminating", Of: aPod, Says: "should have been gone {value} ago", Unit: catalog.Seconds,
			Why:  "Its node is lost, its processes cannot be killed, or something holds a finalizer of it.",
			Expr: onNode(`max by (namespace, pod) (time() - kube_pod_deletion_timestamp)`),
			When: above(300), For: 5 * time.Minute, Severity: Warning,
		},
		{
			Name: "PodEvicted", Of: aPod, Says: "was evicted from its node",
			Why:      "The node was short of memory or disk and chose this pod to go.",
			Expr:     onNode(`max by (namespace, pod) (kube_pod_status_reason{reason="Evicted"} == 1 unless on (namespace, pod, uid) kube_pod_status_reason{reason="Evicted"} offset 1h == 1)`),
			Severity: Info,
		},
		{
			Name: "PodNetworkErrors", Of: aPod, Says: "loses {value} of its packets to errors", Unit: catalog.Ratio,
			Why: "Connections of the pod stall and are retried.",
			Expr: `max by (node, namespace, pod) (` + lostOf(`rate(container_network_receive_errors_total{pod!=""}[5m]) + rate(container_network_transmit_errors_total{pod!=""}[5m])`,
				`rate(container_network_receive_packets_total{pod!=""}[5m]) + rate(container_network_transmit_packets_total{pod!=""}[5m])`) + `)`,
			When: above(0.01), For: 15 * time.Minute, Severity: Warning,
			Heapster: figure(catalog.Pod, "network/rx_errors_rate").when(above(1)).says("has {value} receive errors a second", catalog.None),
		},
	}
}
