package daemonset

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/controller/podevents"
	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

func (c *Controller) setChanged(old, current *appsv1.DaemonSet) {
	if current == nil {
		current = old
	}
	c.loop.Add(reconcile.Key(current))
}

// nodeChanged matters to all daemon sets when it can change where they run.
func (c *Controller) nodeChanged(old, current *corev1.Node) {
	if old != nil && current != nil && equality.Semantic.DeepEqual(old.Labels, current.Labels) && equality.Semantic.DeepEqual(old.Spec.Taints, current.Spec.Taints) {
		return
	}
	sets, err := c.sets.List(labels.Everything())
	if err != nil {
		return
	}
	for _, ds := range sets {
		c.loop.Add(reconcile.Key(ds))
	}
}

func (c *Controller) revisionChanged(old, current *appsv1.ControllerRevision) {
	for _, r := range []*appsv1.ControllerRevision{old, current} {
		if r == nil {
			continue
		}
		if owner := metav1.GetControllerOfNoCopy(r); owner != nil && owner.Kind == kind.Kind && c.uid(r.Namespace, owner.Name) == owner.UID {
			c.loop.Add(reconcile.Key(&metav1.ObjectMeta{Namespace: r.Namespace, Name: owner.Name}))
		}
	}
}

func (c *Controller) router() podevents.Router {
	return podevents.Router{Kind: kind.Kind, Add: c.loop.Add, UID: c.uid, Owners: c.owners}
}

func (c *Controller) uid(namespace, name string) types.UID {
	ds, err := c.sets.DaemonSets(namespace).Get(name)
	if err != nil {
		return ""
	}
	return ds.UID
}

func (c *Controller) owners(namespace string) []podevents.Owner {
	sets, err := c.sets.DaemonSets(namespace).List(labels.Everything())
	if err != nil {
		return nil
	}
	var all []podevents.Owner
	for _, ds := range sets {
		if selector, err := metav1.LabelSelectorAsSelector(ds.Spec.Selector); err == nil && !selector.Empty() {
			all = append(all, podevents.Owner{Name: ds.Name, Selector: selector})
		}
	}
	return all
}
