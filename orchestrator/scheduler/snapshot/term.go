package snapshot

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// Term is one (anti-)affinity term of a pod to other pods.
type Term struct {
	Key        string // topology key
	Weight     int32  // of a preferred term
	Selector   labels.Selector
	Namespaces []string        // sorted
	Namespace  labels.Selector // over the labels of namespaces; nil is none
	ID         string          // equal for terms that select the same pods
}

func newTerm(pod *v1.Pod, term *v1.PodAffinityTerm, weight int32) (Term, error) {
	selector, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
	if err != nil {
		return Term{}, fmt.Errorf("label selector of topology key %q: %w", term.TopologyKey, err)
	}
	selector, err = withLabelKeys(selector, pod.Labels, term.MatchLabelKeys, selection.In)
	if err != nil {
		return Term{}, err
	}
	selector, err = withLabelKeys(selector, pod.Labels, term.MismatchLabelKeys, selection.NotIn)
	if err != nil {
		return Term{}, err
	}
	t := Term{Key: term.TopologyKey, Weight: weight, Selector: selector, Namespaces: slices.Sorted(slices.Values(term.Namespaces))}
	if term.NamespaceSelector != nil {
		if t.Namespace, err = metav1.LabelSelectorAsSelector(term.NamespaceSelector); err != nil {
			return Term{}, fmt.Errorf("namespace selector of topology key %q: %w", term.TopologyKey, err)
		}
	} else if len(t.Namespaces) == 0 {
		t.Namespaces = []string{pod.Namespace}
	}
	t.ID = identify(&t)
	return t, nil
}

// identify tells apart what selects nothing, which prints like what selects
// everything.
func identify(t *Term) string {
	id := strings.Join(t.Namespaces, ",") + "/" + selectorID(t.Selector)
	if t.Namespace != nil {
		id += "/" + selectorID(t.Namespace)
	}
	return id
}

func selectorID(s labels.Selector) string {
	if _, selectable := s.Requirements(); !selectable {
		return "\x00nothing"
	}
	return s.String()
}

// withLabelKeys adds requirements on the pod's own values of the keys that it
// has. Adding them twice, after the API server did, changes nothing.
func withLabelKeys(s labels.Selector, own map[string]string, keys []string, op selection.Operator) (labels.Selector, error) {
	for _, key := range keys {
		value, has := own[key]
		if !has {
			continue
		}
		requirement, err := labels.NewRequirement(key, op, []string{value})
		if err != nil {
			return nil, fmt.Errorf("label key %q: %w", key, err)
		}
		s = s.Add(*requirement)
	}
	return s, nil
}

// Selects says whether the term selects the pods of t.
func (s *Snapshot) Selects(term *Term, t *Template) bool {
	return s.inNamespace(term, t.Namespace) && term.Selector.Matches(t.Labels)
}

func (s *Snapshot) inNamespace(term *Term, namespace string) bool {
	if _, found := slices.BinarySearch(term.Namespaces, namespace); found {
		return true
	}
	return term.Namespace != nil && term.Namespace.Matches(s.namespaces[namespace])
}

// Constraint is one topology spread constraint.
type Constraint struct {
	Key           string // topology key
	MaxSkew       int32
	MinDomains    int32
	Hard          bool // DoNotSchedule
	Selector      labels.Selector
	HonorAffinity bool // only nodes that the pod's node selector and affinity match count
	HonorTaints   bool // only nodes whose taints the pod tolerates count
	ID            string
}

func newConstraint(pod *v1.Pod, c *v1.TopologySpreadConstraint) (Constraint, error) {
	selector, err := metav1.LabelSelectorAsSelector(c.LabelSelector)
	if err != nil {
		return Constraint{}, fmt.Errorf("label selector of spread over %q: %w", c.TopologyKey, err)
	}
	if selector, err = withLabelKeys(selector, pod.Labels, c.MatchLabelKeys, selection.In); err != nil {
		return Constraint{}, err
	}
	constraint := Constraint{
		Key: c.TopologyKey, MaxSkew: max(1, c.MaxSkew), MinDomains: 1, Hard: c.WhenUnsatisfiable != v1.ScheduleAnyway,
		Selector: selector, HonorAffinity: true, ID: pod.Namespace + "/" + selectorID(selector),
	}
	if c.MinDomains != nil {
		constraint.MinDomains = *c.MinDomains
	}
	if c.NodeAffinityPolicy != nil {
		constraint.HonorAffinity = *c.NodeAffinityPolicy == v1.NodeInclusionPolicyHonor
	}
	if c.NodeTaintsPolicy != nil {
		constraint.HonorTaints = *c.NodeTaintsPolicy == v1.NodeInclusionPolicyHonor
	}
	return constraint, nil
}
