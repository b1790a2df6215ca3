package worker

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	"github.com/lubberline/lubberline/orchestrator/agent/status"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// rejection is why a pod may not run on this node, in Kubernetes' words.
type rejection struct{ reason, message string }

// admit decides once whether the pod may run here. It is false while that
// cannot be said yet, and when the pod was turned away.
func (w *worker) admit(ctx context.Context) bool {
	if w.status.StartTime != nil || len(w.seen.Sandboxes) > 0 {
		w.admitted = true // it was, before this agent's start
		w.pods.admitted(w)
		return true
	}
	node := w.o.Node()
	if node == nil {
		return false
	}
	r := w.judge(node)
	if r != nil && w.o.FetchNode != nil { // the scheduler may know of newer labels
		if fresh, err := w.o.FetchNode(ctx); err == nil {
			r = w.judge(fresh)
		}
	}
	if r == nil {
		w.admitted = true
		return true
	}
	w.o.Events.Event(podRef(w.pod), v1.EventTypeWarning, r.reason, r.message)
	w.beginEnd(ending{failure: &status.Failure{Reason: r.reason, Message: "Pod was rejected: " + r.message}})
	return false
}

func (w *worker) judge(node *v1.Node) *rejection {
	if w.o.Admit != nil {
		if reason, message, ok := w.o.Admit(w.pod); !ok {
			return &rejection{reason, message}
		}
	}
	return w.pods.admit(w, node)
}

// fits checks a pod against the node and the pods that run there already.
func fits(pod *v1.Pod, node *v1.Node, others []*v1.Pod) *rejection {
	if r := fitsSystem(pod); r != nil {
		return r
	}
	if r := fitsResources(pod, node, others); r != nil {
		return r
	}
	if match, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(node); err != nil || !match {
		return predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector")
	}
	if pod.Spec.NodeName != "" && pod.Spec.NodeName != node.Name {
		return predicate("NodeName", "node(s) didn't match the requested node name")
	}
	if portsTaken(pod, others) {
		return predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports")
	}
	_, unwelcome := corev1.FindMatchingUntoleratedTaint(klog.Background(), node.Spec.Taints, pod.Spec.Tolerations, func(t *v1.Taint) bool {
		return t.Effect == v1.TaintEffectNoExecute
	}, false)
	if unwelcome {
		return predicate("TaintToleration", "node(s) had taints that the pod didn't tolerate")
	}
	return nil
}

func predicate(name, text string) *rejection {
	return &rejection{name, fmt.Sprintf("Predicate %s failed: %s", name, text)}
}

func fitsSystem(pod *v1.Pod) *rejection {
	if label, ok := pod.Labels[v1.LabelOSStable]; ok && label != runtime.GOOS {
		return &rejection{"PodOSSelectorNodeLabelDoesNotMatch", "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"}
	}
	if pod.Spec.OS != nil && string(pod.Spec.OS.Name) != runtime.GOOS {
		return &rejection{"PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"}
	}
	return nil
}

func fitsResources(pod *v1.Pod, node *v1.Node, others []*v1.Pod) *rejection {
	allocatable := node.Status.Allocatable
	if allowed := allocatable.Pods().Value(); allowed > 0 && int64(len(others)+1) > allowed {
		return outOf(v1.ResourcePods, 1, int64(len(others)), allowed)
	}
	used := make(v1.ResourceList)
	for _, other := range others {
		for name, quantity := range podutil.Requests(other) {
			sum := used[name]
			sum.Add(quantity)
			used[name] = sum
		}
	}
	requests := podutil.Requests(pod)
	for _, name := range sortedNames(requests) {
		capacity, known := allocatable[name]
		if !known && !isNative(name) {
			continue // resources of the cluster, not of the node
		}
		asked, taken := amount(name, requests[name]), amount(name, used[name])
		if limit := amount(name, capacity); asked > 0 && asked > limit-taken {
			return outOf(name, asked, taken, limit)
		}
	}
	return nil
}

func outOf(name v1.ResourceName, requested, used, capacity int64) *rejection {
	return &rejection{"OutOf" + string(name), fmt.Sprintf(
		"Node didn't have enough resource: %s, requested: %d, used: %d, capacity: %d", name, requested, used, capacity)}
}

// amount is what Kubernetes counts in: thousandths of a CPU, bytes, pieces.
func amount(name v1.ResourceName, quantity resource.Quantity) int64 {
	if name == v1.ResourceCPU {
		return quantity.MilliValue()
	}
	return quantity.Value()
}

// sortedNames has cpu and memory first, as Kubernetes checks them.
func sortedNames(list v1.ResourceList) []v1.ResourceName {
	order := []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory, v1.ResourceEphemeralStorage}
	var rest []v1.ResourceName
	for name := range list {
		if !slices.Contains(order, name) {
			rest = append(rest, name)
		}
	}
	slices.Sort(rest)
	return append(order, rest...)
}

func isNative(name v1.ResourceName) bool {
	return name == v1.ResourceCPU || name == v1.ResourceMemory || name == v1.ResourceEphemeralStorage
}

func portsTaken(pod *v1.Pod, others []*v1.Pod) bool {
	ports := podutil.HostPorts(pod)
	if len(ports) == 0 {
		return false
	}
	for _, other := range others {
		for _, taken := range podutil.HostPorts(other) {
			if slices.ContainsFunc(ports, taken.Conflicts) {
				return true
			}
		}
	}
	return false
}
