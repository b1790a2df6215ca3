package daemonset

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/lubberline/lubberline/orchestrator/controller/podcontrol"
)

func TestBackoff(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Unix(1_000_000, 0))
	b := newBackoff(clock)
	for _, wait := range []time.Duration{1, 2, 4, 8, 16} {
		require.Zero(t, b.next("k"))
		require.Equal(t, wait*time.Second, b.next("k"), "to be waited")
		clock.Step(wait * time.Second)
	}
	require.Zero(t, b.next("other"))
	clock.Step(forgetAfter + time.Second)
	require.Zero(t, b.next("k"))
	require.Equal(t, firstWait, b.next("k"), "it starts anew")
	require.Len(t, b.tries, 1, "and forgets the others")
}

func TestPodForANode(t *testing.T) {
	own := corev1.Toleration{Key: "own", Operator: corev1.TolerationOpExists}
	short := int64(3)
	shorter := corev1.Toleration{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &short}
	ds := &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "d", UID: "u", Annotations: map[string]string{appsv1.DeprecatedTemplateGeneration: "4"}},
		Spec: appsv1.DaemonSetSpec{Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "a"}},
			Spec:       corev1.PodSpec{HostNetwork: true, Tolerations: []corev1.Toleration{own, shorter}},
		}},
	}
	s := newState(ds, nil, nil, history{hash: "h"}, time.Now())
	pod := s.podFor(&podcontrol.Control{Kind: kind}, "node-7")
	require.Equal(t, "node-7", target(pod))
	require.Empty(t, pod.Spec.NodeName, "the scheduler binds it")
	require.Equal(t, map[string]string{"app": "a", "controller-revision-hash": "h", "pod-template-generation": "4"}, pod.Labels)
	require.Equal(t, map[string]string{"app": "a"}, ds.Spec.Template.Labels)
	require.Len(t, pod.Spec.Tolerations, 8, "its own and seven")
	require.Equal(t, own, pod.Spec.Tolerations[0])
	require.NotContains(t, pod.Spec.Tolerations, shorter)
}

func TestSnapshotBringsTheTemplateBack(t *testing.T) {
	ds := &appsv1.DaemonSet{Spec: appsv1.DaemonSetSpec{Template: corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "a"}}, Spec: podSpec(1)}}}
	data, err := snapshot(ds)
	require.NoError(t, err)
	require.JSONEq(t, `{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"a"}},
		"spec":{"nodeSelector":{"role":"worker"},"containers":[{"name":"c","image":"image:1","resources":{}}]}}}}`, string(data))
	var indented any
	require.NoError(t, json.Unmarshal(data, &indented))
	other, err := json.MarshalIndent(indented, "", "  ")
	require.NoError(t, err)
	require.True(t, equalData(data, other))
	ds.Spec.Template.Spec = podSpec(2)
	changed, err := snapshot(ds)
	require.NoError(t, err)
	require.False(t, equalData(data, changed))
}
