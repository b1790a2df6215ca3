package disruption

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/controller/simtest"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// TestSimulation makes, readies and evicts the pods of a replica set that a
// budget protects, in random orders, with old caches and failures, and checks:
//   - Protected: where nothing but evictions takes pods away, no eviction leaves
//     fewer healthy ones than the budget wants;
//   - Converged: in the end the status is what the pods are, whatever happened.
func TestSimulation(t *testing.T) {
	const runs = 300
	t.Attr("runs", fmt.Sprint(runs))
	for seed := range uint64(runs) {
		newSimulation(t, seed).run()
	}
}

type simulation struct {
	*simtest.World
	t    *testing.T
	seed uint64
	pods int
	// wild: pods also fail, and the budget and the numbers change.
	wild    bool
	evicted int
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	s := &simulation{World: simtest.New(seed), t: t, seed: seed, wild: seed%2 == 1}
	s.Faults = simtest.Faults{Refused: .1 * s.Rand.Float64(), Lost: .1 * s.Rand.Float64(), Conflict: .2 * s.Rand.Float64()}
	c, err := New(Options{Client: s.Client(), Informers: s.Informers(), Events: s.Events(), Clock: s.Clock})
	require.NoError(t, err)
	s.Loops = c.Loops()
	return s
}

const replicas = 4

func (s *simulation) run() {
	for _, o := range []simtest.Object{
		&appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "set"}, Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To[int32](replicas)}},
		&policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "budget"}, Spec: s.spec()},
	} {
		_, err := s.API.Create(o)
		require.NoError(s.t, err)
	}
	for range 400 {
		if s.Chance(.2) {
			s.disturb()
		}
		s.Step(s.t.Context())
	}
	require.True(s.t, s.Settle(s.t.Context(), time.Hour, nil), "seed %d: Converged: still busy", s.seed)
	s.checkStatus()
}

func (s *simulation) spec() policyv1.PodDisruptionBudgetSpec {
	spec := policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}}}
	bound := []intstr.IntOrString{intstr.FromInt32(1), intstr.FromInt32(2), intstr.FromString("30%"), intstr.FromString("50%")}[s.Rand.IntN(4)]
	if s.Chance(.5) {
		spec.MinAvailable = &bound
	} else {
		spec.MaxUnavailable = &bound
	}
	return spec
}

func (s *simulation) disturb() {
	pods := simtest.Living(s.Pods())
	switch n := s.Rand.IntN(10); {
	case len(pods) < replicas && n < 5:
		s.addPod()
	case n < 7 && len(pods) > 0:
		s.SetReady(pods[s.Rand.IntN(len(pods))], true)
	case n < 8 && s.wild:
		s.goWild(pods)
	case len(pods) > 0:
		s.evict(pods[s.Rand.IntN(len(pods))])
	}
}

func (s *simulation) goWild(pods []*corev1.Pod) {
	switch s.Rand.IntN(5) {
	case 0:
		simtest.Change(s.API, "ns", "budget", func(b *policyv1.PodDisruptionBudget) { b.Spec = s.spec() })
	case 1:
		simtest.Change(s.API, "ns", "set", func(r *appsv1.ReplicaSet) { r.Spec.Replicas = ptr.To(int32(s.Rand.IntN(6))) })
	case 2:
		if len(pods) > 0 {
			s.SetReady(pods[0], false)
		}
	case 3:
		if len(pods) > 0 {
			s.API.End(pods[0])
		}
	case 4:
		if len(pods) > 0 {
			simtest.Change(s.API, "ns", pods[0].Name, func(p *corev1.Pod) { p.Labels["app"] = []string{"a", "b"}[s.Rand.IntN(2)] })
		}
	}
}

func (s *simulation) addPod() {
	s.pods++
	set := simtest.Get[*appsv1.ReplicaSet](s.API, "ns", "set")
	_, err := s.API.Create(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: fmt.Sprint("pod-", s.pods), Labels: map[string]string{"app": "a"},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))},
	}})
	require.NoError(s.t, err)
}

// evict does what the eviction subresource does; now and then the client dies
// before the deletion. It knows no pod that the controller has not seen.
func (s *simulation) evict(pod *corev1.Pod) {
	if _, err := s.Informers().Core().V1().Pods().Lister().Pods("ns").Get(pod.Name); err != nil || !podutil.IsReady(pod) || pod.Labels["app"] != "a" {
		return
	}
	b := simtest.Get[*policyv1.PodDisruptionBudget](s.API, "ns", "budget")
	if b.Status.ObservedGeneration < b.Generation || b.Status.DisruptionsAllowed <= 0 {
		return
	}
	simtest.Change(s.API, "ns", "budget", func(b *policyv1.PodDisruptionBudget) {
		b.Status.DisruptionsAllowed--
		disrupted := map[string]metav1.Time{pod.Name: metav1.NewTime(s.Clock.Now())}
		for name, at := range b.Status.DisruptedPods {
			disrupted[name] = at
		}
		b.Status.DisruptedPods = disrupted
	})
	simtest.Change(s.API, "ns", pod.Name, func(p *corev1.Pod) {
		podutil.UpdateCondition(&p.Status, corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "EvictionByEvictionAPI"}, s.Clock.Now())
	})
	if s.Chance(.1) {
		return
	}
	require.NoError(s.t, s.API.Delete(pod, nil))
	s.evicted++
	if !s.wild {
		require.GreaterOrEqual(s.t, s.healthy(), b.Status.DesiredHealthy, "seed %d: Protected", s.seed)
	}
}

func (s *simulation) healthy() (n int32) {
	for _, pod := range simtest.Living(s.Pods()) {
		if podutil.IsReady(pod) && pod.Labels["app"] == "a" {
			n++
		}
	}
	return n
}

func (s *simulation) checkStatus() {
	b := simtest.Get[*policyv1.PodDisruptionBudget](s.API, "ns", "budget")
	require.Empty(s.t, b.Status.DisruptedPods, "seed %d", s.seed)
	require.Equal(s.t, b.Generation, b.Status.ObservedGeneration, "seed %d", s.seed)
	require.Equal(s.t, s.healthy(), b.Status.CurrentHealthy, "seed %d", s.seed)
	allowed := max(b.Status.CurrentHealthy-b.Status.DesiredHealthy, 0)
	if b.Status.ExpectedPods == 0 {
		allowed = 0
	}
	require.Equal(s.t, allowed, b.Status.DisruptionsAllowed, "seed %d", s.seed)
	for _, pod := range s.Pods() {
		require.False(s.t, isTargeted(pod), "seed %d: %s", s.seed, pod.Name)
	}
}

// TestEvictionsHappen keeps the simulation honest: it does evict.
func TestEvictionsHappen(t *testing.T) {
	evicted := 0
	for seed := range uint64(20) {
		s := newSimulation(t, 2*seed)
		s.run()
		evicted += s.evicted
	}
	require.Greater(t, evicted, 20)
}

func TestFiguresOfBudgets(t *testing.T) {
	for _, c := range []struct {
		name              string
		spec              policyv1.PodDisruptionBudgetSpec
		owner             string
		pods              int
		expected, desired int32
		err               string
	}{
		{"number available", policyv1.PodDisruptionBudgetSpec{MinAvailable: ptr.To(intstr.FromInt32(2))}, "", 3, 3, 2, ""},
		{"share available, rounded up", policyv1.PodDisruptionBudgetSpec{MinAvailable: ptr.To(intstr.FromString("50%"))}, "controller", 3, 5, 3, ""},
		{"number unavailable", policyv1.PodDisruptionBudgetSpec{MaxUnavailable: ptr.To(intstr.FromInt32(2))}, "deployed", 3, 7, 5, ""},
		{"share unavailable, rounded up", policyv1.PodDisruptionBudgetSpec{MaxUnavailable: ptr.To(intstr.FromString("10%"))}, "deployed", 3, 7, 6, ""},
		{"more unavailable than there are", policyv1.PodDisruptionBudgetSpec{MaxUnavailable: ptr.To(intstr.FromInt32(9))}, "controller", 3, 5, 0, ""},
		{"nobody's", policyv1.PodDisruptionBudgetSpec{MaxUnavailable: ptr.To(intstr.FromInt32(1))}, "", 3, 0, 0, ""},
		{"a daemon set's", policyv1.PodDisruptionBudgetSpec{MaxUnavailable: ptr.To(intstr.FromInt32(1))}, "daemons", 3, 0, 0, "daemonsets.apps does not implement the scale subresource"},
		{"of one that is gone", policyv1.PodDisruptionBudgetSpec{MaxUnavailable: ptr.To(intstr.FromInt32(1))}, "gone", 3, 0, 0, `found no controllers for pod "pod-0"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status := settle(t, c.spec, c.owner, c.pods)
			require.Equal(t, [2]int32{c.expected, c.desired}, [2]int32{status.ExpectedPods, status.DesiredHealthy})
			condition := status.Conditions[0]
			require.Equal(t, policyv1.DisruptionAllowedCondition, condition.Type)
			if c.err != "" {
				require.Equal(t, policyv1.SyncFailedReason, condition.Reason)
				require.Equal(t, c.err, condition.Message)
				require.Zero(t, status.DisruptionsAllowed)
				return
			}
			require.EqualValues(t, c.pods, status.CurrentHealthy)
			require.Equal(t, status.DisruptionsAllowed > 0, condition.Status == metav1.ConditionTrue)
		})
	}
}

// settle is the status of a budget for ready pods of an owner.
func settle(t *testing.T, spec policyv1.PodDisruptionBudgetSpec, owner string, pods int) policyv1.PodDisruptionBudgetStatus {
	w := simtest.New(1)
	c, err := New(Options{Client: w.Client(), Informers: w.Informers(), Events: record.NewFakeRecorder(100), Clock: w.Clock})
	require.NoError(t, err)
	w.Loops = c.Loops()
	create := func(o simtest.Object) simtest.Object {
		made, err := w.API.Create(o)
		require.NoError(t, err)
		return made
	}
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "ns", Name: name} }
	deployment := create(&appsv1.Deployment{ObjectMeta: meta("deployed"), Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](7)}})
	set := &appsv1.ReplicaSet{ObjectMeta: meta("deployed"), Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To[int32](3)}}
	set.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(deployment, appsv1.SchemeGroupVersion.WithKind("Deployment"))}
	owners := map[string]metav1.OwnerReference{
		"deployed":   *metav1.NewControllerRef(create(set), appsv1.SchemeGroupVersion.WithKind("ReplicaSet")),
		"controller": *metav1.NewControllerRef(create(&corev1.ReplicationController{ObjectMeta: meta("rc"), Spec: corev1.ReplicationControllerSpec{Replicas: ptr.To[int32](5)}}), corev1.SchemeGroupVersion.WithKind("ReplicationController")),
		"daemons":    *metav1.NewControllerRef(create(&appsv1.DaemonSet{ObjectMeta: meta("daemons")}), appsv1.SchemeGroupVersion.WithKind("DaemonSet")),
		"gone":       *metav1.NewControllerRef(&appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "gone", UID: "gone"}}, appsv1.SchemeGroupVersion.WithKind("ReplicaSet")),
	}
	for i := range pods {
		pod := &corev1.Pod{ObjectMeta: meta(fmt.Sprint("pod-", i))}
		if reference, ok := owners[owner]; ok {
			pod.OwnerReferences = []metav1.OwnerReference{reference}
		}
		w.SetReady(create(pod).(*corev1.Pod), true)
	}
	spec.Selector = &metav1.LabelSelector{}
	create(&policyv1.PodDisruptionBudget{ObjectMeta: meta("budget"), Spec: spec})
	require.True(t, w.Settle(t.Context(), time.Hour, nil))
	return simtest.Get[*policyv1.PodDisruptionBudget](w.API, "ns", "budget").Status
}
