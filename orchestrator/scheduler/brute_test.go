package scheduler_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// world is the cluster in plain objects. Its answers come from going through
// all of them, and share no code with the scheduler.
type world struct {
	nodes map[string]*v1.Node
	pods  map[types.UID]*v1.Pod
	at    map[types.UID]string // nodes of the pods that are placed
	ends  map[types.UID]bool   // terminating
}

func newWorld() *world {
	return &world{nodes: map[string]*v1.Node{}, pods: map[types.UID]*v1.Pod{}, at: map[types.UID]string{}, ends: map[types.UID]bool{}}
}

// without is the world with fewer pods.
func (w *world) without(gone func(*v1.Pod) bool) *world {
	o := &world{nodes: w.nodes, pods: w.pods, at: map[types.UID]string{}, ends: w.ends}
	for uid, node := range w.at {
		if !gone(w.pods[uid]) {
			o.at[uid] = node
		}
	}
	return o
}

func (w *world) on(node string) []*v1.Pod {
	var pods []*v1.Pod
	for uid, at := range w.at {
		if at == node {
			pods = append(pods, w.pods[uid])
		}
	}
	return pods
}

// reasons is why the pod cannot be on the node; none when it can. final: it
// could not even if the node's pods were gone.
func (w *world) reasons(pod *v1.Pod, node *v1.Node) (reasons []string, final bool) {
	switch {
	case node.Spec.Unschedulable:
		return []string{"node(s) were unschedulable"}, true
	case w.untolerated(pod, node):
		return []string{"node(s) had untolerated taint(s)"}, true
	case !wantsNode(pod, node):
		return []string{"node(s) didn't match Pod's node affinity/selector"}, true
	case w.portTaken(pod, node):
		return []string{"node(s) didn't have free ports for the requested pod ports"}, false
	}
	if reasons, final = w.insufficient(pod, node); len(reasons) > 0 {
		return reasons, final
	}
	if reason, final := w.unevenly(pod, node); reason != "" {
		return []string{reason}, final
	}
	if reason, final := w.repelled(pod, node); reason != "" {
		return []string{reason}, final
	}
	return nil, false
}

func (w *world) untolerated(pod *v1.Pod, node *v1.Node) bool {
	for _, taint := range node.Spec.Taints {
		if taint.Effect == v1.TaintEffectPreferNoSchedule {
			continue
		}
		tolerated := slices.ContainsFunc(pod.Spec.Tolerations, func(t v1.Toleration) bool { return t.Key == taint.Key })
		if !tolerated {
			return true
		}
	}
	return false
}

func wantsNode(pod *v1.Pod, node *v1.Node) bool {
	for k, v := range pod.Spec.NodeSelector {
		if node.Labels[k] != v {
			return false
		}
	}
	a := pod.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return true
	}
	for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		if !slices.ContainsFunc(term.MatchExpressions, func(e v1.NodeSelectorRequirement) bool {
			return !slices.Contains(e.Values, node.Labels[e.Key])
		}) {
			return true
		}
	}
	return false
}

func (w *world) portTaken(pod *v1.Pod, node *v1.Node) bool {
	for _, other := range w.on(node.Name) {
		for _, a := range other.Spec.Containers[0].Ports {
			for _, b := range pod.Spec.Containers[0].Ports {
				if a.HostPort == b.HostPort && a.Protocol == b.Protocol && (a.HostIP == "" || b.HostIP == "" || a.HostIP == b.HostIP) {
					return true
				}
			}
		}
	}
	return false
}

// need is what the pod takes: the larger of its containers with the sidecars,
// and of each init container with the sidecars before it; and the overhead.
func need(pod *v1.Pod, name v1.ResourceName) int64 {
	value := func(list v1.ResourceList) int64 { q := list[name]; return q.MilliValue() }
	var sum, sidecars, highest int64
	for _, c := range pod.Spec.Containers {
		sum += value(c.Resources.Requests)
	}
	for _, c := range pod.Spec.InitContainers {
		if c.RestartPolicy != nil {
			sidecars += value(c.Resources.Requests)
			highest = max(highest, sidecars)
		} else {
			highest = max(highest, sidecars+value(c.Resources.Requests))
		}
	}
	return max(sum+sidecars, highest) + value(pod.Spec.Overhead)
}

var resourceNames = []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory, v1.ResourceEphemeralStorage, "example.com/widget"}

func (w *world) insufficient(pod *v1.Pod, node *v1.Node) (reasons []string, final bool) {
	pods := w.on(node.Name)
	if int64(len(pods)+1) > node.Status.Allocatable.Pods().Value() {
		reasons = append(reasons, "Too many pods")
	}
	for _, name := range resourceNames {
		wanted := need(pod, name)
		if wanted == 0 {
			continue
		}
		var used int64
		for _, p := range pods {
			used += need(p, name)
		}
		capacity := node.Status.Allocatable[name]
		if used+wanted > capacity.MilliValue() {
			reasons = append(reasons, "Insufficient "+string(name))
			final = final || wanted > capacity.MilliValue()
		}
	}
	return reasons, final
}

func selects(s *metav1.LabelSelector, pod *v1.Pod) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		panic(err)
	}
	return selector.Matches(labels.Set(pod.Labels))
}

func (w *world) unevenly(pod *v1.Pod, node *v1.Node) (reason string, final bool) {
	var hard []v1.TopologySpreadConstraint
	for _, c := range pod.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable == v1.DoNotSchedule {
			hard = append(hard, c)
		}
	}
	for _, c := range hard {
		value, has := node.Labels[c.TopologyKey]
		if !has {
			return "node(s) didn't match pod topology spread constraints (missing required label)", true
		}
		counts := map[string]int{}
		for _, n := range w.nodes {
			if slices.ContainsFunc(hard, func(c v1.TopologySpreadConstraint) bool { _, has := n.Labels[c.TopologyKey]; return !has }) {
				continue
			}
			if (c.NodeAffinityPolicy == nil || *c.NodeAffinityPolicy == v1.NodeInclusionPolicyHonor) && !wantsNode(pod, n) {
				continue
			}
			if c.NodeTaintsPolicy != nil && *c.NodeTaintsPolicy == v1.NodeInclusionPolicyHonor && w.untolerated(pod, n) {
				continue
			}
			counts[n.Labels[c.TopologyKey]] += 0
			for _, p := range w.on(n.Name) {
				if p.Namespace == pod.Namespace && !w.ends[p.UID] && selects(c.LabelSelector, p) {
					counts[n.Labels[c.TopologyKey]]++
				}
			}
		}
		lowest := 0
		if c.MinDomains == nil || len(counts) >= int(*c.MinDomains) {
			lowest = slices.Min(append(slices.Collect(maps.Values(counts)), 1<<30))
		}
		self := 0
		if selects(c.LabelSelector, pod) {
			self = 1
		}
		if len(counts) > 0 && counts[value]+self-lowest > int(c.MaxSkew) || len(counts) == 0 && self > int(c.MaxSkew) {
			return "node(s) didn't match pod topology spread constraints", false
		}
	}
	return "", false
}

func termsOf(pod *v1.Pod) (near, away []v1.PodAffinityTerm) {
	if a := pod.Spec.Affinity; a != nil {
		if a.PodAffinity != nil {
			near = a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
		}
		if a.PodAntiAffinity != nil {
			away = a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
		}
	}
	return near, away
}

// pick says whether the term of the owner selects the pod.
func pick(owner *v1.Pod, t v1.PodAffinityTerm, pod *v1.Pod) bool {
	return (pod.Namespace == owner.Namespace || slices.Contains(t.Namespaces, pod.Namespace)) && selects(t.LabelSelector, pod)
}

func (w *world) repelled(pod *v1.Pod, node *v1.Node) (reason string, final bool) {
	near, away := termsOf(pod)
	all := func(p *v1.Pod) bool {
		return !slices.ContainsFunc(near, func(t v1.PodAffinityTerm) bool { return !pick(pod, t, p) })
	}
	// same says whether the pod is on a node in the same domain as node; any: on one that has the label.
	place := func(p *v1.Pod, key string) (same, anywhere bool) {
		n := w.nodes[w.at[p.UID]]
		if n == nil {
			return false, false
		}
		value, has := n.Labels[key]
		own, owns := node.Labels[key]
		return has && owns && value == own, has
	}
	met, others := true, false
	for _, t := range near {
		if _, has := node.Labels[t.TopologyKey]; !has {
			return "node(s) didn't match pod affinity rules", true
		}
		found := false
		for uid := range w.at {
			if all(w.pods[uid]) {
				same, anywhere := place(w.pods[uid], t.TopologyKey)
				found, others = found || same, others || anywhere
			}
		}
		met = met && found
	}
	if !met && (others || !all(pod)) {
		return "node(s) didn't match pod affinity rules", true
	}
	for uid := range w.at {
		for _, t := range away {
			if same, _ := place(w.pods[uid], t.TopologyKey); same && pick(pod, t, w.pods[uid]) {
				return "node(s) didn't match pod anti-affinity rules", false
			}
		}
	}
	for uid := range w.at {
		_, theirs := termsOf(w.pods[uid])
		for _, t := range theirs {
			if same, _ := place(w.pods[uid], t.TopologyKey); same && pick(w.pods[uid], t, pod) {
				return "node(s) didn't satisfy existing pods anti-affinity rules", false
			}
		}
	}
	return "", false
}

// message is what a user should read when no node fits; empty when one does.
func (w *world) message(pod *v1.Pod) string {
	if len(w.nodes) == 0 {
		return "no nodes available to schedule pods"
	}
	counts := map[string]int{}
	for _, n := range w.nodes {
		reasons, _ := w.reasons(pod, n)
		if len(reasons) == 0 {
			return ""
		}
		for _, r := range reasons {
			counts[r]++
		}
	}
	var lines []string
	for r, n := range counts {
		lines = append(lines, fmt.Sprintf("%d %s", n, r))
	}
	slices.Sort(lines)
	return fmt.Sprintf("0/%d nodes are available: %s.", len(w.nodes), strings.Join(lines, ", "))
}

// preemptable says on which node the pod would fit if all pods of lower
// priority there were gone.
func (w *world) preemptable(pod *v1.Pod) string {
	if pod.Spec.PreemptionPolicy != nil && *pod.Spec.PreemptionPolicy == v1.PreemptNever {
		return ""
	}
	for name, n := range w.nodes {
		if _, final := w.reasons(pod, n); final {
			continue
		}
		rest := w.without(func(p *v1.Pod) bool { return w.at[p.UID] == name && *p.Spec.Priority < *pod.Spec.Priority })
		if len(rest.at) == len(w.at) {
			continue
		}
		if reasons, _ := rest.reasons(pod, n); len(reasons) == 0 {
			return name
		}
	}
	return ""
}
