package deployment

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lubberline/lubberline/orchestrator/controller/replication"
	"github.com/lubberline/lubberline/orchestrator/controller/simtest"
)

// TestSimulation drives deployments, with the replica sets' controller, through
// random orders of events, old caches, failures and changes by users. Half of
// the runs are calm: no pod dies and the size stays, only templates change. It
// checks:
//   - NeverAboveSurge: in a calm run there are never more living pods than the
//     wanted number and maxSurge;
//   - NeverBelowMinimum: in a calm run, once all were known to be available, a deletion never
//     leaves fewer available pods than the wanted number less maxUnavailable;
//   - NeverSideBySide: with Recreate no pod is made while one of another template
//     runs;
//   - OneSetPerTemplate: no template has two sets;
//   - Converged: in the end all pods are of the newest template, which has the
//     highest revision, the history is within its limit, and the status says so.
func TestSimulation(t *testing.T) {
	const runs = 500
	t.Attr("runs", fmt.Sprint(runs))
	for seed := range uint64(runs) {
		newSimulation(t, seed).run()
	}
}

type simulation struct {
	*simtest.World
	t           *testing.T
	seed        uint64
	calm        bool
	template    int
	established bool // all wanted pods were available at some time, and known to be
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	s := &simulation{World: simtest.New(seed), t: t, seed: seed}
	s.calm = s.Chance(.5)
	if s.Chance(.7) {
		s.Faults = simtest.Faults{Refused: .1 * s.Rand.Float64(), Lost: .1 * s.Rand.Float64(), Conflict: .2 * s.Rand.Float64()}
	}
	s.API.OnWrite = s.check
	sets, err := replication.NewReplicaSets(replication.Options{Client: s.Client(), Informers: s.Informers(), Events: s.Events(), Clock: s.Clock, Parallel: 1})
	require.NoError(t, err)
	c, err := New(Options{Client: s.Client(), Informers: s.Informers(), Events: s.Events(), Clock: s.Clock})
	require.NoError(t, err)
	s.Loops = append(sets.Loops(), c.Loops()...)
	return s
}

func (s *simulation) run() {
	s.create()
	for range 100 + s.Rand.IntN(600) {
		if s.Chance(.04) {
			s.disturb()
		}
		if s.Chance(.3) {
			s.StepPods(anyNode)
		}
		s.Step(s.t.Context())
		s.establish()
	}
	s.change(func(d *appsv1.Deployment) { d.Spec.Paused = false })
	settled := s.Settle(s.t.Context(), 30*time.Minute, func() bool { return s.StepPods(anyNode) })
	s.require(settled, "Converged: still busy")
	s.checkConverged()
}

func anyNode(*corev1.Pod) string { return "node" }

func (s *simulation) require(ok bool, format string, args ...any) {
	s.t.Helper()
	require.True(s.t, ok, "seed %d: %s", s.seed, fmt.Sprintf(format, args...))
}

func (s *simulation) create() {
	set, replicas, deadline, history := map[string]string{"app": "a"}, int32(s.Rand.IntN(8)), int32(60), int32(s.Rand.IntN(4))
	surge, unavailable := s.bound(), s.bound()
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "d", Labels: set},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: set}, MinReadySeconds: int32(s.Rand.IntN(2) * 5),
			Template:                corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: set}, Spec: podSpec(0)},
			ProgressDeadlineSeconds: &deadline, RevisionHistoryLimit: &history,
			Strategy: appsv1.DeploymentStrategy{
				Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &surge, MaxUnavailable: &unavailable}},
		},
	}
	if s.Chance(.2) {
		d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	}
	_, err := s.API.Create(d)
	require.NoError(s.t, err)
}

func podSpec(template int) corev1.PodSpec {
	return corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: fmt.Sprint("image:", template)}}}
}

func (s *simulation) bound() intstr.IntOrString {
	if s.Chance(.5) {
		return intstr.FromInt32(int32(s.Rand.IntN(4)))
	}
	return intstr.FromString(fmt.Sprint(s.Rand.IntN(5)*25, "%"))
}

func (s *simulation) deployment() *appsv1.Deployment {
	return simtest.Get[*appsv1.Deployment](s.API, "ns", "d")
}

func (s *simulation) change(change func(*appsv1.Deployment)) {
	simtest.Change(s.API, "ns", "d", change)
}

// disturb does what users do and, unless the run is calm, what fails.
func (s *simulation) disturb() {
	kinds := 4
	if !s.calm {
		kinds = 8
	}
	switch s.Rand.IntN(kinds) {
	case 0, 1: // to a new template or back to an old one
		if s.Chance(.7) {
			s.template++
		}
		template := s.template - s.Rand.IntN(min(s.template, 3)+1)
		s.change(func(d *appsv1.Deployment) { d.Spec.Template.Spec = podSpec(template) })
	case 2:
		s.change(func(d *appsv1.Deployment) { d.Spec.Paused = !d.Spec.Paused })
	case 3:
		s.change(func(d *appsv1.Deployment) { d.Annotations = with(d.Annotations, "note", fmt.Sprint(s.Rand.IntN(3))) })
	case 4, 5:
		replicas := int32(s.Rand.IntN(10))
		s.change(func(d *appsv1.Deployment) { d.Spec.Replicas = &replicas })
	default:
		if pods := s.Pods(); len(pods) > 0 {
			s.breakPod(pods[s.Rand.IntN(len(pods))])
		}
	}
}

func with(annotations map[string]string, name, value string) map[string]string {
	annotations = maps.Clone(annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[name] = value
	return annotations
}

func (s *simulation) breakPod(pod *corev1.Pod) {
	switch s.Rand.IntN(3) {
	case 0:
		s.Fail(pod)
	case 1:
		_ = s.API.Delete(pod, nil)
	case 2:
		if pod.Status.Phase == corev1.PodRunning {
			s.SetReady(pod, false)
		}
	}
}

func (s *simulation) available() (n int32) {
	d := s.deployment()
	for _, pod := range simtest.Living(s.Pods()) {
		for _, c := range pod.Status.Conditions {
			if c.Status == corev1.ConditionTrue && !c.LastTransitionTime.Add(time.Duration(d.Spec.MinReadySeconds)*time.Second).After(s.Clock.Now()) {
				n++
			}
		}
	}
	return n
}

func (s *simulation) establish() {
	d := s.deployment()
	s.established = s.established || d.Status.ObservedGeneration > 0 && d.Status.AvailableReplicas >= *d.Spec.Replicas
}

func (s *simulation) check(w simtest.Write) {
	if set, ok := w.Current.(*appsv1.ReplicaSet); ok && w.Old == nil {
		s.checkSet(set)
		return
	}
	pod, isPod := w.Current.(*corev1.Pod)
	old, isOld := w.Old.(*corev1.Pod)
	d := s.deployment()
	if !isPod && !isOld || d == nil || !w.ByController {
		return
	}
	rolling := d.Spec.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType
	want := *d.Spec.Replicas
	r := newRollout(d, nil, s.Clock.Now())
	switch {
	case isPod && !isOld && rolling && s.calm:
		n := int32(len(simtest.Living(s.Pods())))
		s.require(n <= want+r.maxSurge, "NeverAboveSurge: %d pods, wanted %d and %d", n, want, r.maxSurge)
	case isPod && !isOld && !rolling:
		s.checkAlone(pod)
	case isOld && old.DeletionTimestamp == nil && (!isPod || pod.DeletionTimestamp != nil) && rolling && s.calm && s.established:
		n := s.available()
		s.require(n >= want-r.maxUnavailable, "NeverBelowMinimum: %d available, wanted %d less %d", n, want, r.maxUnavailable)
	}
}

func (s *simulation) checkSet(set *appsv1.ReplicaSet) {
	for _, other := range simtest.List[*appsv1.ReplicaSet](s.API) {
		s.require(other.UID == set.UID || !sameTemplate(&other.Spec.Template, &set.Spec.Template), "OneSetPerTemplate: %s and %s", other.Name, set.Name)
	}
}

func (s *simulation) checkAlone(pod *corev1.Pod) {
	for _, other := range s.Pods() {
		ended := other.Status.Phase == corev1.PodFailed
		s.require(ended || other.Spec.Containers[0].Image == pod.Spec.Containers[0].Image, "NeverSideBySide: %s runs", other.Name)
	}
}

func (s *simulation) checkConverged() {
	d := s.deployment()
	want, st := *d.Spec.Replicas, d.Status
	for _, pod := range simtest.Living(s.Pods()) {
		s.require(pod.Spec.Containers[0].Image == d.Spec.Template.Spec.Containers[0].Image, "Converged: %s has an old template", pod.Name)
	}
	s.require(len(simtest.Living(s.Pods())) == int(want), "Converged: %d pods, wanted %d", len(simtest.Living(s.Pods())), want)
	counts := []int32{st.Replicas, st.UpdatedReplicas, st.ReadyReplicas, st.AvailableReplicas, st.UnavailableReplicas, *st.TerminatingReplicas}
	s.require(slices.Equal(counts, []int32{want, want, want, want, 0, 0}), "Converged: status %v", counts)
	s.require(st.ObservedGeneration == d.Generation, "Converged: observed generation %d of %d", st.ObservedGeneration, d.Generation)
	available, progress := condition(&st, appsv1.DeploymentAvailable), condition(&st, appsv1.DeploymentProgressing)
	s.require(available != nil && available.Status == corev1.ConditionTrue, "Converged: %v", available)
	s.require(progress != nil && progress.Reason == reasonAvailable, "Converged: %v", progress)
	s.checkHistory(d)
}

func (s *simulation) checkHistory(d *appsv1.Deployment) {
	r := newRollout(d, simtest.List[*appsv1.ReplicaSet](s.API), s.Clock.Now())
	s.require(r.current != nil, "Converged: no replica set has the template")
	s.require(len(r.old) <= int(*d.Spec.RevisionHistoryLimit), "Converged: %d old replica sets", len(r.old))
	revisions := map[int64]types.UID{}
	for _, set := range r.all() {
		revisions[revision(set)] = set.UID
		s.require(set == r.current || size(set) == 0 && revision(set) < revision(r.current), "Converged: old replica set %s", set.Name)
	}
	s.require(len(revisions) == len(r.all()), "Converged: revisions %v", revisions)
	s.require(d.Annotations[revisionAnnotation] == r.current.Annotations[revisionAnnotation], "Converged: revision of the deployment")
	s.require(d.Annotations["note"] == r.current.Annotations["note"], "Converged: annotations of the replica set")
}
