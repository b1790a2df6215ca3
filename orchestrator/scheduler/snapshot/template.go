package snapshot

import (
	"errors"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// Template is what placing depends on, parsed once for all pods that have it
// in common: usually those of one controller. It never changes.
type Template struct {
	Namespace     string
	Labels        labels.Set
	Controller    string // UID of the controller, or empty
	Priority      int32
	NeverPreempts bool
	Requests      Resource
	NonZero       Resource // for scoring: what is not asked for has a default
	Ports         []Port
	NodeAffinity  *nodeaffinity.RequiredNodeAffinity     // nil when every node matches
	PinnedTo      map[string]bool                        // nodes named by the affinity's fields; nil when not all terms name one
	PreferNodes   *nodeaffinity.PreferredSchedulingTerms // nil when there is no preference
	Tolerations   []v1.Toleration
	Affinity      []Term
	AntiAffinity  []Term
	PreferPods    []Term // weight below zero: preferred anti-affinity
	Spread        []Constraint
	Images        []string
	Claims        []string
	Err           error // of the selectors; such a pod cannot be placed

	key      string
	refs     int        // of the pods known
	placed   int        // of them on nodes, or assumed to be
	counters []*Counter // that count its pods
	concerns []string   // keys of the concerns that its pods bring along
}

// Known is how many pods of the template there are, waiting and on nodes.
func (t *Template) Known() int { return t.refs }

func newTemplate(key string, pod *v1.Pod) *Template {
	t := &Template{
		key: key, Namespace: pod.Namespace, Labels: pod.Labels, Controller: controllerOf(pod), Priority: priorityOf(pod),
		NeverPreempts: pod.Spec.PreemptionPolicy != nil && *pod.Spec.PreemptionPolicy == v1.PreemptNever,
		Ports:         hostPorts(pod), Tolerations: pod.Spec.Tolerations, Claims: claimNames(pod),
	}
	t.Requests, t.NonZero = podRequests(pod)
	for i := range pod.Spec.InitContainers {
		t.Images = append(t.Images, imageName(pod.Spec.InitContainers[i].Image))
	}
	for i := range pod.Spec.Containers {
		t.Images = append(t.Images, imageName(pod.Spec.Containers[i].Image))
	}
	t.Err = errors.Join(t.parseNodeAffinity(pod), t.parsePodAffinity(pod), t.parseSpread(pod))
	t.eachConcern(func(kind ConcernKind, term *Term) { t.concerns = append(t.concerns, concernKey(kind, term)) })
	return t
}

func (t *Template) parseNodeAffinity(pod *v1.Pod) error {
	required := (*v1.NodeSelector)(nil)
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil {
		required = a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
		if preferred := a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution; len(preferred) > 0 {
			// A preference that cannot be parsed is none.
			t.PreferNodes, _ = nodeaffinity.NewPreferredSchedulingTerms(preferred)
		}
	}
	if len(pod.Spec.NodeSelector) == 0 && required == nil {
		return nil
	}
	affinity := nodeaffinity.GetRequiredNodeAffinity(pod)
	t.NodeAffinity = &affinity
	t.PinnedTo = pinned(required)
	return nil
}

// pinned returns the nodes that the terms name by their fields; nil when one
// of the terms names none.
func pinned(s *v1.NodeSelector) map[string]bool {
	if s == nil || len(s.NodeSelectorTerms) == 0 {
		return nil
	}
	nodes := map[string]bool{}
	for _, term := range s.NodeSelectorTerms {
		named := false
		for _, f := range term.MatchFields {
			if f.Key == "metadata.name" && f.Operator == v1.NodeSelectorOpIn && len(f.Values) == 1 {
				named = true
				nodes[f.Values[0]] = true
			}
		}
		if !named {
			return nil
		}
	}
	return nodes
}

func (t *Template) parsePodAffinity(pod *v1.Pod) error {
	a := pod.Spec.Affinity
	if a == nil {
		return nil
	}
	var errs []error
	add := func(to *[]Term, term *v1.PodAffinityTerm, weight int32) {
		parsed, err := newTerm(pod, term, weight)
		if err != nil {
			errs = append(errs, err)
			return
		}
		*to = append(*to, parsed)
	}
	if p := a.PodAffinity; p != nil {
		for i := range p.RequiredDuringSchedulingIgnoredDuringExecution {
			add(&t.Affinity, &p.RequiredDuringSchedulingIgnoredDuringExecution[i], 0)
		}
		for i := range p.PreferredDuringSchedulingIgnoredDuringExecution {
			w := &p.PreferredDuringSchedulingIgnoredDuringExecution[i]
			add(&t.PreferPods, &w.PodAffinityTerm, w.Weight)
		}
	}
	if p := a.PodAntiAffinity; p != nil {
		for i := range p.RequiredDuringSchedulingIgnoredDuringExecution {
			add(&t.AntiAffinity, &p.RequiredDuringSchedulingIgnoredDuringExecution[i], 0)
		}
		for i := range p.PreferredDuringSchedulingIgnoredDuringExecution {
			w := &p.PreferredDuringSchedulingIgnoredDuringExecution[i]
			add(&t.PreferPods, &w.PodAffinityTerm, -w.Weight)
		}
	}
	return errors.Join(errs...)
}

func (t *Template) parseSpread(pod *v1.Pod) error {
	for i := range pod.Spec.TopologySpreadConstraints {
		c, err := newConstraint(pod, &pod.Spec.TopologySpreadConstraints[i])
		if err != nil {
			return err
		}
		t.Spread = append(t.Spread, c)
	}
	return nil
}
