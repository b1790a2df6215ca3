package replication

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/record"

	"github.com/lubberline/lubberline/orchestrator/controller/simtest"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

var now = time.Unix(1_700_000_000, 0)

// pod makes a ready, running pod on a node, an hour old, and changes it.
func pod(name string, changes ...func(*corev1.Pod)) *corev1.Pod {
	old := metav1.NewTime(now.Add(-time.Hour))
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), CreationTimestamp: old},
		Spec:       corev1.PodSpec{NodeName: "alone-" + name},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: old}}},
	}
	for _, change := range changes {
		change(p)
	}
	return p
}

func TestRankForDeletion(t *testing.T) {
	restarts := func(n int32) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{{RestartCount: n}} }
	}
	cost := func(text string) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.PodDeletionCost: text} }
	}
	onNode := func(node string) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Spec.NodeName = node } }
	readyFor := func(d time.Duration) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Status.Conditions[0].LastTransitionTime = metav1.NewTime(now.Add(-d)) }
	}
	want := []*corev1.Pod{
		pod("unassigned", onNode(""), cost("1000")),
		pod("pending", func(p *corev1.Pod) { p.Status.Phase = corev1.PodPending }, cost("1000")),
		pod("unknown", func(p *corev1.Pod) { p.Status.Phase = corev1.PodUnknown }, cost("1000")),
		pod("not-ready", func(p *corev1.Pod) { p.Status.Conditions[0].Status = corev1.ConditionFalse }, cost("1000")),
		pod("cheap", cost("-1")),
		pod("colocated", onNode("full")),
		pod("young", readyFor(time.Minute)),
		pod("restarted", restarts(3)),
		pod("created-later", func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(now.Add(-time.Minute)) }),
		pod("plain", cost("+7")),
		pod("plain-too", cost("none")),
		pod("dear", cost("5")),
	}
	shuffled := append([]*corev1.Pod(nil), want...)
	for i := range shuffled {
		j := (i * 7) % len(shuffled)
		shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
	}
	require.Equal(t, want, rankForDeletion(shuffled, map[string]int{"full": 2, "alone-plain": 1, "alone-plain-too": 1, "alone-restarted": 1, "alone-young": 1, "alone-created-later": 1, "alone-dear": 1}, 0, now))
}

func TestPodsOfAboutTheSameAgeAreNotRankedByIt(t *testing.T) {
	readyFor := func(d time.Duration) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Status.Conditions[0].LastTransitionTime = metav1.NewTime(now.Add(-d)) }
	}
	pods := []*corev1.Pod{pod("b", readyFor(100*time.Minute)), pod("a", readyFor(110*time.Minute))}
	require.Equal(t, "a", rankForDeletion(pods, nil, 0, now)[0].Name, "by UID")
}

// TestAFailingCreation checks what a user sees when pods are refused: the wording
// is Kubernetes'.
func TestAFailingCreation(t *testing.T) {
	for _, kind := range []string{"ReplicationController", "ReplicaSet"} {
		t.Run(kind, func(t *testing.T) {
			s := newSimulation(t, kind, 1)
			s.Faults, s.Loops = simtest.Faults{}, nil
			events := record.NewFakeRecorder(100)
			make := NewReplicaSets
			if kind == "ReplicationController" {
				make = NewReplicationControllers
			}
			c, err := make(Options{Client: s.Client(), Informers: s.Informers(), Events: events, Clock: s.Clock, Parallel: 1})
			require.NoError(t, err)
			s.Loops = c.Loops()
			full := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "x", errors.New("exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"))
			allowed := 2
			s.Client().(*fake.Clientset).PrependReactor("create", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
				allowed--
				return allowed < 0, nil, full
			})
			s.createOwner("a")
			three := int32(3)
			s.scaleTo("a", three)
			settle := func() {
				require.True(t, s.Settle(t.Context(), 0, func() bool { return s.StepPods(func(*corev1.Pod) string { return "node-0" }) }))
			}
			settle()
			w := s.workloads()[0]
			require.EqualValues(t, 2, w.status.Replicas)
			require.Len(t, w.status.Conditions, 1)
			require.Equal(t, appsv1.ReplicaSetReplicaFailure, w.status.Conditions[0].Type)
			require.Equal(t, "FailedCreate", w.status.Conditions[0].Reason)
			require.Equal(t, full.Error(), w.status.Conditions[0].Message)

			s.scaleTo("a", 1)
			settle()
			w = s.workloads()[0]
			require.EqualValues(t, 1, w.status.Replicas)
			require.Empty(t, w.status.Conditions)

			var texts []string
			for len(events.Events) > 0 {
				text := <-events.Events
				texts = append(texts, text[:strings.LastIndex(text, ": ")])
			}
			require.Equal(t, []string{
				"Normal SuccessfulCreate Created pod",
				`Warning FailedCreate Error creating: pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited`,
				"Normal SuccessfulDelete Deleted pod",
			}, slices.Compact(texts), "it is tried again")
		})
	}
}

func TestPodsOfATemplate(t *testing.T) {
	s := newSimulation(t, "ReplicaSet", 1)
	s.Faults = simtest.Faults{}
	s.createOwner("a")
	s.scaleTo("a", 1)
	simtest.Change(s.API, "ns", "a", func(rs *appsv1.ReplicaSet) {
		rs.Spec.Template.Annotations = map[string]string{"note": "x"}
		rs.Spec.Template.Finalizers = []string{"example.com/f"}
		rs.Spec.Template.Spec.Containers = []corev1.Container{{Name: "c", Image: "i"}}
	})
	require.True(t, s.Settle(t.Context(), 0, nil))
	made, rs := s.Pods()[0], simtest.Get[*appsv1.ReplicaSet](s.API, "ns", "a")
	yes := true
	require.Equal(t, "a-", made.GenerateName)
	require.Equal(t, map[string]string{"app": "a"}, made.Labels)
	require.Equal(t, rs.Spec.Template.Annotations, made.Annotations)
	require.Equal(t, rs.Spec.Template.Finalizers, made.Finalizers)
	require.Equal(t, rs.Spec.Template.Spec, made.Spec)
	require.Equal(t, []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "a", UID: rs.UID, Controller: &yes, BlockOwnerDeletion: &yes}}, made.OwnerReferences)
}

func TestAvailabilityIsLookedAtWhenItIsDue(t *testing.T) {
	pods := []*corev1.Pod{pod("a"), pod("b"), pod("c")}
	for i, ago := range []time.Duration{3 * time.Second, 8 * time.Second, time.Minute} {
		pods[i].Status.Conditions[0].LastTransitionTime = metav1.NewTime(now.Add(-ago))
	}
	require.Equal(t, 2*time.Second, podutil.UntilAvailable(pods, 10*time.Second, now))
	require.Zero(t, podutil.UntilAvailable(pods, 0, now))
	require.Zero(t, podutil.UntilAvailable(pods[2:], 10*time.Second, now))
}
