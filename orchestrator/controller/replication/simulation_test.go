package replication

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/controller/simtest"
)

// TestSimulation drives both kinds through random orders of events, old caches,
// failures, deaths of pods and changes by users, and checks:
//   - NeverTooMany: a creation never makes more living pods than were ever wanted;
//   - NeverTooFew: while no pod dies, a deletion never leaves fewer than were
//     ever wanted;
//   - OnlyOwn: only pods of an owner are deleted, only matching orphans adopted,
//     only pods that do not match released;
//   - NoDoubleAdoption: no pod goes from one owner to another directly;
//   - Converged: in the end every owner has the wanted pods and says so.
func TestSimulation(t *testing.T) {
	const runs = 500
	t.Attr("runs", fmt.Sprint(2*runs))
	for _, kind := range []string{"ReplicationController", "ReplicaSet"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(runs) {
				s := newSimulation(t, kind, seed)
				s.run()
			}
		})
	}
}

type simulation struct {
	*simtest.World
	t      *testing.T
	seed   uint64
	kind   string
	deaths bool
	owners map[types.UID]*history
}

// history is the most and the fewest pods that an owner has ever wanted.
type history struct {
	name         string
	most, fewest int
}

func newSimulation(t *testing.T, kind string, seed uint64) *simulation {
	s := &simulation{World: simtest.New(seed), t: t, seed: seed, kind: kind, owners: map[types.UID]*history{}}
	s.deaths = s.Chance(.5)
	if s.Chance(.7) {
		s.Faults = simtest.Faults{Refused: .1 * s.Rand.Float64(), Lost: .1 * s.Rand.Float64(), Conflict: .2 * s.Rand.Float64()}
	}
	s.API.OnWrite = s.check
	o := Options{Client: s.Client(), Informers: s.Informers(), Events: s.Events(), Clock: s.Clock, Parallel: 1}
	make := NewReplicaSets
	if kind == "ReplicationController" {
		make = NewReplicationControllers
	}
	c, err := make(o)
	require.NoError(t, err)
	s.Loops = c.Loops()
	return s
}

func (s *simulation) run() {
	s.createOwner("a")
	s.createOwner("b")
	for range 50 + s.Rand.IntN(400) {
		if s.Chance(.1) {
			s.disturb()
		}
		if s.Chance(.3) {
			s.StepPods(func(*corev1.Pod) string { return fmt.Sprint("node-", s.Rand.IntN(3)) })
		}
		s.Step(s.t.Context())
	}
	s.deaths = true // what settles may end pods
	settled := s.Settle(s.t.Context(), 10*time.Minute, func() bool { return s.StepPods(func(*corev1.Pod) string { return "node-0" }) })
	s.require(settled, "Converged: still busy")
	s.checkConverged()
}

func (s *simulation) require(ok bool, format string, args ...any) {
	s.t.Helper()
	require.True(s.t, ok, "seed %d: %s", s.seed, fmt.Sprintf(format, args...))
}

func (s *simulation) createOwner(app string) {
	replicas, set := int32(s.Rand.IntN(6)), map[string]string{"app": app}
	meta := metav1.ObjectMeta{Namespace: "ns", Name: app, Labels: set}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: set}}
	minReady := int32(s.Rand.IntN(2) * 5)
	var o simtest.Object = &appsv1.ReplicaSet{ObjectMeta: meta, Spec: appsv1.ReplicaSetSpec{
		Replicas: &replicas, MinReadySeconds: minReady, Selector: &metav1.LabelSelector{MatchLabels: set}, Template: template}}
	if s.kind == "ReplicationController" {
		o = &corev1.ReplicationController{ObjectMeta: meta, Spec: corev1.ReplicationControllerSpec{
			Replicas: &replicas, MinReadySeconds: minReady, Selector: set, Template: &template}}
	}
	_, _ = s.API.Create(o) // there may be one already
}

// workloads are the owners as the API has them.
func (s *simulation) workloads() []*workload {
	if s.kind == "ReplicationController" {
		return convert(simtest.List[*corev1.ReplicationController](s.API), nil, replicationController)
	}
	return convert(simtest.List[*appsv1.ReplicaSet](s.API), nil, replicaSet)
}

func (s *simulation) owned(uid types.UID) []*corev1.Pod {
	return slices.DeleteFunc(simtest.Living(s.Pods()), func(p *corev1.Pod) bool {
		owner := metav1.GetControllerOf(p)
		return owner == nil || owner.UID != uid
	})
}

// matching leaves out owned pods that were given other labels.
func (s *simulation) matching(uid types.UID) []*corev1.Pod {
	app := s.owners[uid].name
	return slices.DeleteFunc(s.owned(uid), func(p *corev1.Pod) bool { return p.Labels["app"] != app })
}

func anyOf[T any](s *simulation, all []T) (one T, ok bool) {
	if len(all) == 0 {
		return one, false
	}
	return all[s.Rand.IntN(len(all))], true
}

// disturb does what users and failing nodes do.
func (s *simulation) disturb() {
	pod, hasPod := anyOf(s, s.Pods())
	switch app := []string{"a", "b"}[s.Rand.IntN(2)]; s.Rand.IntN(8) {
	case 0, 1:
		s.scale(app)
	case 2:
		if hasPod && s.deaths {
			s.Fail(pod)
		}
	case 3:
		if hasPod && s.deaths {
			_ = s.API.Delete(pod, nil)
		}
	case 4:
		if hasPod {
			label := []string{"a", "b", "other"}[s.Rand.IntN(3)]
			simtest.Change(s.API, pod.Namespace, pod.Name, func(p *corev1.Pod) { p.Labels = map[string]string{"app": label} })
		}
	case 5:
		_, err := s.API.Create(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", GenerateName: "orphan-", Labels: map[string]string{"app": app}}})
		require.NoError(s.t, err)
	case 6:
		if hasPod && pod.Status.Phase == corev1.PodRunning {
			s.SetReady(pod, false)
		}
	case 7:
		if s.Chance(.2) {
			s.replaceOwner(app)
		}
	}
}

func (s *simulation) scale(app string) {
	s.scaleTo(app, int32(s.Rand.IntN(8)))
}

func (s *simulation) scaleTo(app string, replicas int32) {
	if s.kind == "ReplicationController" {
		simtest.Change(s.API, "ns", app, func(o *corev1.ReplicationController) { o.Spec.Replicas = &replicas })
	} else {
		simtest.Change(s.API, "ns", app, func(o *appsv1.ReplicaSet) { o.Spec.Replicas = &replicas })
	}
}

// replaceOwner deletes an owner without its pods; they are of the one that is
// gone, and not of the new one with its name.
func (s *simulation) replaceOwner(app string) {
	for _, w := range s.workloads() {
		if w.GetName() == app {
			s.API.End(w.Owner.(simtest.Object))
		}
	}
	s.createOwner(app)
}

func (s *simulation) check(w simtest.Write) {
	if _, isPod := cmpOr(w.Current, w.Old).(*corev1.Pod); isPod {
		s.checkPod(w)
		return
	}
	for _, o := range s.workloads() {
		h := s.owners[o.GetUID()]
		if h == nil {
			h = &history{o.GetName(), o.replicas, o.replicas}
			s.owners[o.GetUID()] = h
		}
		h.most, h.fewest = max(h.most, o.replicas), min(h.fewest, o.replicas)
	}
}

func cmpOr(a, b simtest.Object) simtest.Object {
	if a != nil {
		return a
	}
	return b
}

func ownerOf(o simtest.Object) types.UID {
	if owner := metav1.GetControllerOf(o); owner != nil {
		return owner.UID
	}
	return ""
}

func (s *simulation) checkPod(w simtest.Write) {
	switch {
	case !w.ByController:
		return
	case w.Old == nil:
		uid := ownerOf(w.Current)
		n := len(s.matching(uid))
		s.require(n <= s.owners[uid].most, "NeverTooMany: %d pods of %s, never more than %d wanted", n, uid, s.owners[uid].most)
	case w.Current == nil || w.Current.GetDeletionTimestamp() != nil && w.Old.GetDeletionTimestamp() == nil:
		uid := ownerOf(w.Old)
		s.require(uid != "" && s.owners[uid] != nil, "OnlyOwn: deleted %s of nobody", w.Old.GetName())
		s.require(s.deaths || len(s.owned(uid)) >= s.owners[uid].fewest, "NeverTooFew: %d pods of %s left, never fewer than %d wanted", len(s.owned(uid)), uid, s.owners[uid].fewest)
	case ownerOf(w.Old) != ownerOf(w.Current):
		s.require(ownerOf(w.Old) == "" || ownerOf(w.Current) == "", "NoDoubleAdoption: %s", w.Old.GetName())
	}
}

func (s *simulation) checkConverged() {
	all := map[types.UID]*workload{}
	for _, w := range s.workloads() {
		all[w.GetUID()] = w
		n := len(s.owned(w.GetUID()))
		s.require(n == w.replicas, "Converged: %s has %d pods and wants %d", w.GetName(), n, w.replicas)
		st := w.status
		got := []int32{st.Replicas, st.FullyLabeledReplicas, st.ReadyReplicas, st.AvailableReplicas}
		want := int32(n)
		s.require(slices.Equal(got, []int32{want, want, want, want}), "Converged: status of %s: %v", w.GetName(), st)
		s.require(st.ObservedGeneration == w.GetGeneration() && len(st.Conditions) == 0, "Converged: status of %s: %v", w.GetName(), st)
	}
	for _, pod := range simtest.Living(s.Pods()) {
		owner := all[ownerOf(pod)]
		s.require(owner == nil || owner.selector.Matches(labels.Set(pod.Labels)), "Converged: %s does not match its owner", pod.Name)
		for _, w := range all {
			s.require(ownerOf(pod) != "" || !w.selector.Matches(labels.Set(pod.Labels)), "Converged: %s not adopted by %s", pod.Name, w.GetName())
		}
	}
}
