package podgc

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/controller/simtest"
)

// TestSimulation removes and registers nodes, ends and deletes pods in random
// orders, with old caches and failures, and checks:
//   - OnlyGarbage: no pod is removed whose node is there, unless it has ended;
//   - Collected: in the end no pod is left of a node that is gone, none that is
//     being deleted and has no node, and no more ended ones than the threshold.
func TestSimulation(t *testing.T) {
	const runs = 300
	t.Attr("runs", fmt.Sprint(runs))
	for seed := range uint64(runs) {
		simulate(t, seed)
	}
}

const threshold = 5

func simulate(t *testing.T, seed uint64) {
	w := simtest.New(seed)
	w.Faults = simtest.Faults{Refused: .1 * w.Rand.Float64(), Lost: .1 * w.Rand.Float64(), Conflict: .2 * w.Rand.Float64()}
	c, err := New(Options{Client: w.Client(), Informers: w.Informers(), Clock: w.Clock, Threshold: threshold})
	require.NoError(t, err)
	w.Loops = c.Loops()
	hasNode := func(p *corev1.Pod) bool { return simtest.Get[*corev1.Node](w.API, "", p.Spec.NodeName) != nil }
	w.API.OnWrite = func(write simtest.Write) {
		pod, isPod := write.Old.(*corev1.Pod)
		if isPod && write.ByController && write.Current == nil {
			garbage := pod.Status.Phase == corev1.PodFailed || pod.Spec.NodeName == "" || !hasNode(pod)
			require.True(t, garbage, "seed %d: OnlyGarbage: %s", seed, pod.Name)
		}
	}
	for i := range 300 {
		disturb(w, i)
		for range w.Rand.IntN(5) {
			w.Step(t.Context())
		}
	}
	require.True(t, w.Settle(t.Context(), time.Hour, nil), "seed %d", seed)
	for _, pod := range w.Pods() {
		simtest.Change(w.API, "ns", pod.Name, func(p *corev1.Pod) { p.Finalizers = nil })
	}
	require.True(t, w.Settle(t.Context(), time.Hour, nil), "seed %d", seed)
	ended := 0
	for _, pod := range w.Pods() {
		require.True(t, pod.Spec.NodeName == "" || hasNode(pod), "seed %d: Collected: %s", seed, pod.Name)
		require.True(t, pod.Spec.NodeName != "" || pod.DeletionTimestamp == nil, "seed %d: Collected: %s", seed, pod.Name)
		if pod.Status.Phase == corev1.PodFailed && pod.DeletionTimestamp == nil {
			ended++
		}
	}
	require.LessOrEqual(t, ended, threshold, "seed %d: Collected", seed)
}

func disturb(w *simtest.World, i int) {
	node := fmt.Sprint("node-", w.Rand.IntN(3))
	pods := w.Pods()
	switch w.Rand.IntN(12) {
	case 0:
		_, _ = w.API.Create(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}})
	case 1:
		if n := simtest.Get[*corev1.Node](w.API, "", node); n != nil {
			w.API.End(n)
		}
	case 2, 3:
		_, _ = w.API.Create(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprint("pod-", i), Finalizers: []string{"example.com/x"}[:w.Rand.IntN(2)]}})
	case 4, 5:
		w.StepPods(func(*corev1.Pod) string {
			if simtest.Get[*corev1.Node](w.API, "", node) == nil {
				return ""
			}
			return node
		})
	case 6:
		if len(pods) > 0 {
			w.Fail(pods[w.Rand.IntN(len(pods))])
		}
	case 7:
		if len(pods) > 0 {
			_ = w.API.Delete(pods[w.Rand.IntN(len(pods))], nil)
		}
	case 8: // whoever has put a finalizer takes it away again
		if i := slices.IndexFunc(pods, func(p *corev1.Pod) bool { return len(p.Finalizers) > 0 && p.DeletionTimestamp != nil }); i >= 0 {
			simtest.Change(w.API, "ns", pods[i].Name, func(p *corev1.Pod) { p.Finalizers = nil })
		}
	}
}
