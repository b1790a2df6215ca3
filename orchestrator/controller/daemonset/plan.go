package daemonset

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1helper "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// state is one daemon set with its nodes and pods at one time.
type state struct {
	ds    *appsv1.DaemonSet // the cache's: not to be changed
	nodes []*corev1.Node    // by name
	pods  map[string][]*corev1.Pod
	now   time.Time
	history

	runs, stays map[string]bool // nodes that should have a pod; and that may keep one
}

// plan is the nodes that get a pod, and the pods that are deleted.
type plan struct {
	create []string
	remove []*corev1.Pod
}

func (p plan) empty() bool { return len(p.create)+len(p.remove) == 0 }

func newState(ds *appsv1.DaemonSet, nodes []*corev1.Node, pods []*corev1.Pod, h history, now time.Time) *state {
	s := &state{ds: ds, nodes: nodes, pods: map[string][]*corev1.Pod{}, now: now, history: h, runs: map[string]bool{}, stays: map[string]bool{}}
	for _, pod := range pods {
		if node := target(pod); node != "" && !(podutil.IsTerminal(pod) && pod.DeletionTimestamp != nil) {
			s.pods[node] = append(s.pods[node], pod)
		}
	}
	for _, onNode := range s.pods {
		slices.SortFunc(onNode, olderFirst)
	}
	spec := ds.Spec.Template.Spec
	affinity := nodeaffinity.GetRequiredNodeAffinity(&corev1.Pod{Spec: spec})
	tolerated := tolerations(&spec)
	for _, node := range nodes {
		fits, err := affinity.Match(node)
		if err != nil || !fits || spec.NodeName != "" && spec.NodeName != node.Name {
			continue
		}
		s.runs[node.Name] = !repels(node, tolerated, corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute)
		s.stays[node.Name] = !repels(node, tolerated, corev1.TaintEffectNoExecute)
	}
	return s
}

func repels(node *corev1.Node, tolerated []corev1.Toleration, effects ...corev1.TaintEffect) bool {
	_, untolerated := corev1helper.FindMatchingUntoleratedTaint(klog.Background(), node.Spec.Taints, tolerated,
		func(t *corev1.Taint) bool { return slices.Contains(effects, t.Effect) }, false)
	return untolerated
}

// olderFirst puts pods that are bound before those that are not.
func olderFirst(a, b *corev1.Pod) int {
	if bound, other := a.Spec.NodeName != "", b.Spec.NodeName != ""; bound != other {
		if bound {
			return -1
		}
		return 1
	}
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
}

// manage gives every node that should run a pod one, and leaves none on the
// others. mayReplace decides whether a pod that has ended may go now.
func (s *state) manage(mayReplace func(pod *corev1.Pod, node string) bool) plan {
	var p plan
	for _, node := range s.nodes {
		pods := s.pods[node.Name]
		switch {
		case s.runs[node.Name] && len(pods) == 0:
			p.create = append(p.create, node.Name)
		case s.stays[node.Name]:
			s.keepOne(&p, node.Name, pods, mayReplace)
		default:
			p.remove = append(p.remove, notDeleting(pods)...)
		}
	}
	known := map[string]bool{}
	for _, node := range s.nodes {
		known[node.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(s.pods)) {
		for _, pod := range s.pods[name] {
			if !known[name] && pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil {
				p.remove = append(p.remove, pod) // it waits for a node that is gone
			}
		}
	}
	return p
}

func notDeleting(pods []*corev1.Pod) []*corev1.Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(p *corev1.Pod) bool { return p.DeletionTimestamp != nil })
}

// keepOne removes what is too much on a node: all but the oldest pod or, with a
// surge, all but the oldest of either template.
func (s *state) keepOne(p *plan, node string, pods []*corev1.Pod, mayReplace func(*corev1.Pod, string) bool) {
	var running []*corev1.Pod
	for _, pod := range notDeleting(pods) {
		if !podutil.IsTerminal(pod) {
			running = append(running, pod)
		} else if mayReplace(pod, node) {
			p.remove = append(p.remove, pod)
		}
	}
	switch {
	case !s.surges() && len(running) > 1:
		p.remove = append(p.remove, running[1:]...)
	case !s.surges():
	case len(running) == 0 && s.runs[node]:
		p.create = append(p.create, node)
	case len(running) > 1:
		s.keepOneOfEach(p, running)
	}
}

func (s *state) keepOneOfEach(p *plan, running []*corev1.Pod) {
	var updated, old *corev1.Pod
	for _, pod := range running {
		switch {
		case s.isUpdated(pod) && updated == nil:
			updated = pod
		case !s.isUpdated(pod) && old == nil:
			old = pod
		default:
			p.remove = append(p.remove, pod)
		}
	}
	if updated != nil && old != nil && (!podutil.IsReady(old) || s.isAvailable(updated)) {
		p.remove = append(p.remove, old)
	}
}

func (s *state) isUpdated(pod *corev1.Pod) bool {
	return pod.Labels[appsv1.DefaultDaemonSetUniqueLabelKey] == s.hash
}

func (s *state) isAvailable(pod *corev1.Pod) bool {
	return pod != nil && podutil.IsAvailable(pod, s.minReady(), s.now)
}

// wanted is how many nodes should run a pod.
func (s *state) wanted() (n int) {
	for _, runs := range s.runs {
		if runs {
			n++
		}
	}
	return n
}

func (s *state) surges() bool {
	surge, _ := s.bounds(1)
	return surge > 0
}

// bounds are how many nodes of n may have a second pod, and how many none, in the
// course of an update. Both are rounded up; with neither, one may have none.
func (s *state) bounds(n int) (surge, unavailable int) {
	r := s.ds.Spec.UpdateStrategy.RollingUpdate
	if s.ds.Spec.UpdateStrategy.Type != appsv1.RollingUpdateDaemonSetStrategyType || r == nil {
		return 0, 0
	}
	surge, unavailable = scaled(r.MaxSurge, n), scaled(r.MaxUnavailable, n)
	if n > 0 && surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, unavailable
}

func scaled(value *intstr.IntOrString, n int) int {
	if value == nil {
		return 0
	}
	count, err := intstr.GetScaledValueFromIntOrPercent(value, n, true)
	if err != nil { // validation leaves none
		return 0
	}
	return count
}
