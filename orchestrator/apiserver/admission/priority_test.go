package admission

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/utils/ptr"
)

func class(name string, value int32, isDefault bool) *schedulingv1.PriorityClass {
	return &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Value: value, GlobalDefault: isDefault, PreemptionPolicy: ptr.To(corev1.PreemptNever)}
}

func withClass(name string) *corev1.Pod {
	pod := newTestPod("p")
	pod.Spec.PriorityClassName = name
	return pod
}

func TestPriorities(t *testing.T) {
	c := newChain(t, class("high", 1000, false))
	f := func(name string, priority int32, policy corev1.PreemptionPolicy) {
		t.Helper()
		pod := withClass(name)
		require.NoError(t, c.create(pod))
		require.Equal(t, priority, *pod.Spec.Priority)
		require.Equal(t, policy, *pod.Spec.PreemptionPolicy)
		require.Equal(t, name, pod.Spec.PriorityClassName)
	}
	f("", 0, corev1.PreemptLowerPriority)
	f("high", 1000, corev1.PreemptNever)
	f("system-node-critical", 2000001000, corev1.PreemptLowerPriority)
	f("system-cluster-critical", 2000000000, corev1.PreemptLowerPriority)
	require.EqualError(t, c.create(withClass("unknown")), `pods "p" is forbidden: no PriorityClass with name unknown was found`)
	wrong := withClass("high")
	wrong.Spec.Priority = ptr.To[int32](5)
	require.EqualError(t, c.create(wrong), `pods "p" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 1000 from the given PriorityClass name`)
	wrong = withClass("high")
	wrong.Spec.PreemptionPolicy = ptr.To(corev1.PreemptLowerPriority)
	require.EqualError(t, c.create(wrong), `pods "p" is forbidden: the string value of PreemptionPolicy (PreemptLowerPriority) must not be provided in pod spec; priority admission controller computed Never from the given PriorityClass name`)
}

func TestPriorityIsKept(t *testing.T) {
	c := newChain(t)
	old, pod := newTestPod("p"), newTestPod("p")
	old.Spec.Priority, old.Spec.PreemptionPolicy = ptr.To[int32](7), ptr.To(corev1.PreemptNever)
	require.NoError(t, c.ask(request{resource: "pods", operation: admission.Update, old: old, object: pod}))
	require.EqualValues(t, 7, *pod.Spec.Priority)
	require.Equal(t, corev1.PreemptNever, *pod.Spec.PreemptionPolicy)
}

func TestTheDefaultClass(t *testing.T) {
	c := newChain(t, class("usual", 10, true), class("slipped-in", 20, true))
	pod := withClass("")
	require.NoError(t, c.create(pod))
	require.Equal(t, "usual", pod.Spec.PriorityClassName)
	require.EqualValues(t, 10, *pod.Spec.Priority)

	ask := func(op admission.Operation, o *schedulingv1.PriorityClass) error {
		return c.ask(request{resource: "priorityclasses.scheduling.k8s.io", operation: op, object: o})
	}
	require.EqualError(t, ask(admission.Create, class("second", 1, true)),
		`priorityclasses.scheduling.k8s.io "second" is forbidden: PriorityClass usual is already marked as default. Only one default can exist`)
	require.NoError(t, ask(admission.Create, class("second", 1, false)))
	require.NoError(t, ask(admission.Update, class("usual", 10, true)))
}

func TestTolerationsAndTaints(t *testing.T) {
	c := newChain(t)
	f := func(given []corev1.Toleration, wanted ...string) {
		t.Helper()
		pod := newTestPod("p")
		pod.Spec.Tolerations = given
		require.NoError(t, c.create(pod))
		var added []string
		for _, toleration := range pod.Spec.Tolerations[len(given):] {
			require.Equal(t, corev1.TolerationOpExists, toleration.Operator)
			require.Equal(t, corev1.TaintEffectNoExecute, toleration.Effect)
			require.EqualValues(t, 300, *toleration.TolerationSeconds)
			added = append(added, toleration.Key)
		}
		require.Equal(t, wanted, added)
	}
	f(nil, "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
	f([]corev1.Toleration{{Key: "node.kubernetes.io/not-ready", Effect: corev1.TaintEffectNoExecute}}, "node.kubernetes.io/unreachable")
	f([]corev1.Toleration{{Operator: corev1.TolerationOpExists}})
	f([]corev1.Toleration{{Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}}, "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")

	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "one"}}
	for range 2 {
		require.NoError(t, c.ask(request{resource: "nodes", operation: admission.Create, object: node}))
		require.Equal(t, []corev1.Taint{{Key: "node.kubernetes.io/not-ready", Effect: corev1.TaintEffectNoSchedule}}, node.Spec.Taints)
	}
}
