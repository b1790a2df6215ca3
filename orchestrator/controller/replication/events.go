package replication

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/lubberline/lubberline/orchestrator/controller/podcontrol"
	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

func (c *Controller) ownerChanged(old, current podcontrol.Owner) {
	if current == nil {
		current = old
	}
	c.loop.Add(reconcile.Key(current))
}

// podChanged asks for the owners that the change of a pod can matter to.
func (c *Controller) podChanged(old, current *corev1.Pod) {
	switch {
	case old == nil:
		c.add(current)
	case current == nil:
		c.addOwner(old)
	case !sameOwner(old, current):
		c.addOwner(old)
		c.add(current)
	case differs(old, current):
		if metav1.GetControllerOfNoCopy(current) != nil {
			c.addOwner(current)
		} else if !maps.Equal(old.Labels, current.Labels) {
			c.addMatching(current)
		}
	}
}

// differs leaves out what owners do not look at, as the restarts of containers.
func differs(old, current *corev1.Pod) bool {
	return old.Status.Phase != current.Status.Phase ||
		(old.DeletionTimestamp == nil) != (current.DeletionTimestamp == nil) ||
		readySince(old) != readySince(current) ||
		!maps.Equal(old.Labels, current.Labels)
}

// readySince is when the pod became ready; the zero time of one that is not.
func readySince(pod *corev1.Pod) metav1.Time {
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
func (c *Controller) add(pod *corev1.Pod) {
	if metav1.GetControllerOfNoCopy(pod) != nil {
		c.addOwner(pod)
	} else if pod.DeletionTimestamp == nil {
		c.addMatching(pod)
	}
}

func (c *Controller) addOwner(pod *corev1.Pod) {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil || owner.Kind != c.kind.gvk().Kind {
		return
	}
	if w, err := c.kind.get(pod.Namespace, owner.Name); err == nil && w.GetUID() == owner.UID {
		c.loop.Add(reconcile.Key(w))
	}
}

func (c *Controller) addMatching(pod *corev1.Pod) {
	for _, w := range c.kind.list(pod.Namespace) {
		if w.selector.Matches(labels.Set(pod.Labels)) {
			c.loop.Add(reconcile.Key(w))
		}
	}
}
