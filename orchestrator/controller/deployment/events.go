package deployment

import (
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

func (c *Controller) deploymentChanged(old, current *appsv1.Deployment) {
	if current == nil {
		current = old
	}
	c.loop.Add(reconcile.Key(current))
}

func (c *Controller) replicaSetChanged(old, current *appsv1.ReplicaSet) {
	if old != nil {
		c.addOwner(old)
	}
	switch {
	case current == nil:
		c.written.forget(old.UID)
	case metav1.GetControllerOfNoCopy(current) != nil:
		c.addOwner(current)
	case current.DeletionTimestamp == nil && (old == nil || metav1.GetControllerOfNoCopy(old) != nil || !maps.Equal(old.Labels, current.Labels)):
		c.addMatching(current)
	}
}

// podChanged matters to a deployment that waits for its old pods to end.
func (c *Controller) podChanged(old, current *corev1.Pod) {
	if old == nil || current != nil && (!podutil.IsTerminal(current) || podutil.IsTerminal(old)) {
		return
	}
	owner := metav1.GetControllerOfNoCopy(old)
	if owner == nil || owner.Kind != "ReplicaSet" {
		return
	}
	set, err := c.replicaSets.ReplicaSets(old.Namespace).Get(owner.Name)
	if err != nil || set.UID != owner.UID {
		return
	}
	if d := c.owner(set); d != nil && d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		c.loop.Add(reconcile.Key(d))
	}
}

func (c *Controller) owner(set *appsv1.ReplicaSet) *appsv1.Deployment {
	owner := metav1.GetControllerOfNoCopy(set)
	if owner == nil || owner.Kind != "Deployment" {
		return nil
	}
	d, err := c.deployments.Deployments(set.Namespace).Get(owner.Name)
	if err != nil || d.UID != owner.UID {
		return nil
	}
	return d
}

func (c *Controller) addOwner(set *appsv1.ReplicaSet) {
	if d := c.owner(set); d != nil {
		c.loop.Add(reconcile.Key(d))
	}
}

func (c *Controller) addMatching(set *appsv1.ReplicaSet) {
	all, err := c.deployments.Deployments(set.Namespace).List(labels.Everything())
	if err != nil {
		return
	}
	for _, d := range all {
		selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
		if err == nil && !selector.Empty() && selector.Matches(labels.Set(set.Labels)) {
			c.loop.Add(reconcile.Key(d))
		}
	}
}
