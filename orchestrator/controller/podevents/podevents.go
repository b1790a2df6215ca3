// Package podevents finds the owners that the change of a pod can matter to.
package podevents

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// Owner is one that may adopt pods.
type Owner struct {
	Name     string
	Selector labels.Selector
}

// Router tells a controller which of its objects to look at.
type Router struct {
	Kind string // of the owners
	// UID is that of the owner of this name, "" when there is none.
	UID func(namespace, name string) types.UID
	// Owners are those of a namespace.
	Owners func(namespace string) []Owner
	// Add is told the key of an owner.
	Add func(key string)
}

// Changed is an event handler: old is nil for a new pod, current for one that is
// gone.
func (r Router) Changed(old, current *corev1.Pod) {
	switch {
	case old == nil:
		r.add(current)
	case current == nil:
		r.addOwner(old)
	case !sameOwner(old, current):
		r.addOwner(old)
		r.add(current)
	case differs(old, current):
		if metav1.GetControllerOfNoCopy(current) != nil {
			r.addOwner(current)
		} else if !maps.Equal(old.Labels, current.Labels) {
			r.addMatching(current)
		}
	}
}

// differs leaves out what owners do not look at, as the restarts of containers.
func differs(old, current *corev1.Pod) bool {
	return old.Status.Phase != current.Status.Phase || old.Spec.NodeName != current.Spec.NodeName ||
		(old.DeletionTimestamp == nil) != (current.DeletionTimestamp == nil) ||
		ReadySince(old) != ReadySince(current) ||
		!maps.Equal(old.Labels, current.Labels)
}

// ReadySince is when the pod became ready; the zero time of one that is not.
func ReadySince(pod *corev1.Pod) metav1.Time {
	ready := podutil.Condition(&pod.Status, corev1.PodReady)
	if ready == nil || ready.Status != corev1.ConditionTrue {
		return metav1.Time{}
	}
	return ready.LastTransitionTime
}

func sameOwner(a, b *corev1.Pod) bool {
	x, y := metav1.GetControllerOfNoCopy(a), metav1.GetControllerOfNoCopy(b)
	return x == nil && y == nil || x != nil && y != nil && x.UID == y.UID
}

// add asks for the pod's owner, or for those that may adopt it.
func (r Router) add(pod *corev1.Pod) {
	if metav1.GetControllerOfNoCopy(pod) != nil {
		r.addOwner(pod)
	} else if pod.DeletionTimestamp == nil {
		r.addMatching(pod)
	}
}

func (r Router) addOwner(pod *corev1.Pod) {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner != nil && owner.Kind == r.Kind && r.UID(pod.Namespace, owner.Name) == owner.UID {
		r.Add(key(pod.Namespace, owner.Name))
	}
}

func (r Router) addMatching(pod *corev1.Pod) {
	for _, o := range r.Owners(pod.Namespace) {
		if o.Selector.Matches(labels.Set(pod.Labels)) {
			r.Add(key(pod.Namespace, o.Name))
		}
	}
}

func key(namespace, name string) string {
	return cache.ObjectName{Namespace: namespace, Name: name}.String()
}
