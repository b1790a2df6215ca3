package driver

import (
	"time"

	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/lubberline/lubberline/orchestrator/scheduler/preempt"
)

// watch asks for the informers of everything that placing depends on.
func (d *Driver) watch(f informers.SharedInformerFactory) error {
	core := f.Core().V1()
	for _, w := range []struct {
		informer cache.SharedIndexInformer
		handler  cache.ResourceEventHandler
	}{
		{core.Nodes().Informer(), handler(d.mail, d.nodeSet, d.nodeGone)},
		{core.Namespaces().Informer(), handler(d.mail, d.namespaceSet, d.namespaceGone)},
		{core.Services().Informer(), handler(d.mail, d.serviceSet, d.serviceGone)},
		{core.PersistentVolumes().Informer(), handler(d.mail, d.volumeSet, d.volumeGone)},
		{core.PersistentVolumeClaims().Informer(), handler(d.mail, d.claimSet, d.claimGone)},
		{f.Storage().V1().StorageClasses().Informer(), handler(d.mail, d.classSet, d.classGone)},
		{f.Policy().V1().PodDisruptionBudgets().Informer(), handler(d.mail, d.budgetSet, d.budgetGone)},
		{core.Pods().Informer(), handler(d.mail, d.podSet, d.podGone)},
	} {
		registration, err := w.informer.AddEventHandler(w.handler)
		if err != nil {
			return err
		}
		d.synced = append(d.synced, registration.HasSynced)
	}
	return nil
}

// handler passes on objects of one type. One that was deleted and made again
// under the same name comes as gone first.
func handler[T metav1.Object](m *mailbox, set, gone func(time.Time, T)) cache.ResourceEventHandler {
	passGone := func(object any) {
		if tombstone, is := object.(cache.DeletedFinalStateUnknown); is {
			object = tombstone.Obj
		}
		if o, is := object.(T); is {
			m.put(func(now time.Time) { gone(now, o) })
		}
	}
	passSet := func(object any) {
		if o, is := object.(T); is {
			m.put(func(now time.Time) { set(now, o) })
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc: passSet,
		UpdateFunc: func(before, after any) {
			if old, is := before.(T); is && old.GetUID() != after.(metav1.Object).GetUID() {
				passGone(before)
			}
			passSet(after)
		},
		DeleteFunc: passGone,
	}
}

func (d *Driver) podSet(now time.Time, pod *v1.Pod)     { d.core.SetPod(now, pod) }
func (d *Driver) podGone(now time.Time, pod *v1.Pod)    { d.core.RemovePod(now, pod.UID) }
func (d *Driver) nodeSet(now time.Time, n *v1.Node)     { d.core.SetNode(now, n) }
func (d *Driver) nodeGone(now time.Time, n *v1.Node)    { d.core.RemoveNode(now, n.Name) }
func (d *Driver) serviceSet(_ time.Time, s *v1.Service) { d.snap.SetService(s) }

func (d *Driver) serviceGone(_ time.Time, s *v1.Service) { d.snap.RemoveService(s.Namespace, s.Name) }

func (d *Driver) namespaceSet(now time.Time, n *v1.Namespace) {
	d.core.SetNamespace(now, n.Name, n.Labels)
}

func (d *Driver) namespaceGone(_ time.Time, n *v1.Namespace) { d.snap.RemoveNamespace(n.Name) }

func (d *Driver) volumeSet(now time.Time, v *v1.PersistentVolume) {
	d.snap.SetVolume(v)
	d.core.VolumesChanged(now)
}

func (d *Driver) volumeGone(_ time.Time, v *v1.PersistentVolume) { d.snap.RemoveVolume(v.Name) }

func (d *Driver) claimSet(now time.Time, c *v1.PersistentVolumeClaim) {
	d.snap.SetClaim(c)
	d.core.VolumesChanged(now)
}

func (d *Driver) claimGone(_ time.Time, c *v1.PersistentVolumeClaim) {
	d.snap.RemoveClaim(c.Namespace, c.Name)
}

func (d *Driver) budgetSet(_ time.Time, b *policyv1.PodDisruptionBudget) {
	selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
	if err != nil {
		d.log.Warn("a disruption budget's selector selects nothing", "namespace", b.Namespace, "budget", b.Name, "err", err)
		selector = labels.Nothing()
	}
	d.listed = nil
	d.budgets[b.Namespace+"/"+b.Name] = preempt.Budget{
		Namespace: b.Namespace, Selector: selector, Allowed: b.Status.DisruptionsAllowed, Disrupted: b.Status.DisruptedPods,
	}
}

func (d *Driver) budgetGone(_ time.Time, b *policyv1.PodDisruptionBudget) {
	d.listed = nil
	delete(d.budgets, b.Namespace+"/"+b.Name)
}
