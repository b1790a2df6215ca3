package scheduler

import (
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/scheduler/filter"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

// SetPod takes in a pod as the API server has it.
func (s *Scheduler) SetPod(now time.Time, pod *v1.Pod) {
	switch {
	case pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed:
		s.RemovePod(now, pod.UID)
	case pod.Spec.NodeName != "":
		s.setPlaced(now, pod)
	case pod.Spec.SchedulerName == s.name || pod.Spec.SchedulerName == "" && s.name == DefaultName:
		s.setPending(now, pod)
	}
}

func (s *Scheduler) setPlaced(now time.Time, pod *v1.Pod) {
	snap := s.state.Snapshot()
	if it := s.queue.items[pod.UID]; it != nil {
		s.dequeue(it, now)
	}
	before, after := snap.Place(pod)
	switch {
	case before == nil:
		s.wake(now, s.podCame(after.Template))
	case before.Node != pod.Spec.NodeName || before.Template != after.Template:
		s.wake(now, s.podWent(before.Template, snap.Node(before.Node)))
		s.wake(now, s.podCame(after.Template))
	case before.Terminating != after.Terminating:
		s.wake(now, s.podCame(after.Template))
	}
}

// replaced: a pod on a node is now of another template.
func (s *Scheduler) replaced(now time.Time, before *snapshot.Template, p *snapshot.Pod) {
	if before != p.Template {
		s.wake(now, s.podWent(before, p.Node()))
		s.wake(now, s.podCame(p.Template))
	}
}

// dequeue forgets the waiting pod. One that was assumed keeps its place, for
// it is about to be confirmed.
func (s *Scheduler) dequeue(it *item, now time.Time) {
	snap := s.state.Snapshot()
	nominated := it.pod.Nominated()
	s.queue.remove(it)
	if !it.pod.Assumed {
		snap.Release(it.pod)
	}
	if nominated != nil {
		s.wake(now, s.podWent(it.pod.Template, nominated))
	}
}

func (s *Scheduler) setPending(now time.Time, pod *v1.Pod) {
	snap := s.state.Snapshot()
	if pod.DeletionTimestamp != nil {
		s.RemovePod(now, pod.UID)
		return
	}
	if p := snap.Pod(pod.UID); p != nil {
		if before := p.Template; p.Assumed { // otherwise the news is old
			snap.Update(p, pod)
			s.replaced(now, before, p)
		}
		return
	}
	if it := s.queue.items[pod.UID]; it != nil {
		s.renew(it, pod, now)
		return
	}
	s.addPending(now, pod)
}

// renew gives a waiting pod its new object, and a new try when that could
// help.
func (s *Scheduler) renew(it *item, pod *v1.Pod, now time.Time) {
	from := it.place
	s.queue.move(it, nowhere)
	changed := s.state.Snapshot().Renew(it.pod, pod)
	switch {
	case len(pod.Spec.SchedulingGates) > 0:
		s.queue.move(it, gated)
	case from == gated:
		s.queue.move(it, active)
	case changed && from == waiting:
		s.queue.retry(it, now)
	default:
		s.queue.move(it, from)
	}
}

// addPending lines up a new pod. One nominated before, by a scheduler that has
// ended, keeps its nomination.
func (s *Scheduler) addPending(now time.Time, pod *v1.Pod) {
	snap := s.state.Snapshot()
	p := snap.NewPod(pod)
	s.queue.add(p, now)
	if n := snap.Node(pod.Status.NominatedNodeName); n != nil {
		snap.Nominate(p, n)
	}
}

// RemovePod forgets a pod that is no more, or has ended.
func (s *Scheduler) RemovePod(now time.Time, uid types.UID) {
	snap := s.state.Snapshot()
	if it := s.queue.items[uid]; it != nil {
		s.dequeue(it, now)
	}
	p := snap.Pod(uid)
	if p == nil {
		return
	}
	node := p.Node().Name
	snap.Remove(uid)
	s.wakeNominated(now, snap.Node(node))
	s.wake(now, s.podWent(p.Template, snap.Node(node)))
}

// Bound says that the API server has accepted a binding. The pod counts as
// placed from then on.
func (s *Scheduler) Bound(uid types.UID) {
	if it := s.queue.items[uid]; it != nil && it.pod.Assumed {
		s.queue.remove(it)
	}
}

// Failed says that a pod could not be bound: it is tried again.
func (s *Scheduler) Failed(now time.Time, uid types.UID) {
	snap := s.state.Snapshot()
	it := s.queue.items[uid]
	if it == nil || !it.pod.Assumed {
		return
	}
	node := it.pod.Node().Name
	snap.Unassume(it.pod)
	s.wakeNominated(now, snap.Node(node))
	s.wake(now, s.podWent(it.pod.Template, snap.Node(node)))
	s.queue.retry(it, now)
}

// Forget takes back the placement of a pod that was accepted, but never seen
// on its node; pod is what the API server has.
func (s *Scheduler) Forget(now time.Time, pod *v1.Pod) {
	p := s.state.Snapshot().Pod(pod.UID)
	if p == nil || !p.Assumed {
		return
	}
	s.RemovePod(now, pod.UID)
	s.SetPod(now, pod)
}

// SetNode takes in a node.
func (s *Scheduler) SetNode(now time.Time, node *v1.Node) {
	snap := s.state.Snapshot()
	if change := snap.SetNode(node); change&^snapshot.NodeImages != 0 {
		n := snap.Node(node.Name)
		s.wakeNominated(now, n)
		s.wake(now, nodeCame(n, change))
	}
}

// RemoveNode forgets a node.
func (s *Scheduler) RemoveNode(now time.Time, name string) {
	snap := s.state.Snapshot()
	s.wakeNominated(now, snap.Node(name))
	snap.RemoveNode(name)
	s.wake(now, nodeWent())
}

// SetNamespace takes in a namespace's labels.
func (s *Scheduler) SetNamespace(now time.Time, name string, set labels.Set) {
	if s.state.Snapshot().SetNamespace(name, set) {
		s.wake(now, namespaceChanged())
	}
}

// VolumesChanged says that a claim or volume in the snapshot has changed.
func (s *Scheduler) VolumesChanged(now time.Time) { s.wake(now, volumesChanged()) }

// Disturbed retries all that wait: something went otherwise than assumed.
func (s *Scheduler) Disturbed(now time.Time) {
	s.wake(now, func(*snapshot.Template, filter.Rules) bool { return true })
}
