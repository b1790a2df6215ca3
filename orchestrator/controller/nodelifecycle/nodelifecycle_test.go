package nodelifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/controller/simtest"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// TestANodeThatSaysItIsNotReady marks its pods once: the node goes on to say how
// they are.
func TestANodeThatSaysItIsNotReady(t *testing.T) {
	s := newSimulation(t, 1)
	s.Faults, s.API.OnWrite = simtest.Faults{}, nil
	s.addNode("node-0")
	s.drain()
	simtest.Change(s.API, "", "node-0", func(n *corev1.Node) { condition(n, corev1.NodeReady).Status = corev1.ConditionFalse })
	s.drain()
	pod := simtest.Get[*corev1.Pod](s.API, "ns", "node-0-1")
	require.False(t, podutil.IsReady(pod))
	node := simtest.Get[*corev1.Node](s.API, "", "node-0")
	require.Len(t, node.Spec.Taints, 2)
	require.Equal(t, corev1.TaintNodeNotReady, node.Spec.Taints[0].Key)

	s.SetReady(pod, true)
	simtest.Change(s.API, "", "node-0", func(n *corev1.Node) {
		condition(n, corev1.NodeReady).LastHeartbeatTime = metav1.NewTime(s.Clock.Now().Add(time.Second))
	})
	s.drain()
	require.True(t, podutil.IsReady(simtest.Get[*corev1.Pod](s.API, "ns", "node-0-1")))
}

func TestANodeThatNeverReported(t *testing.T) {
	s := newSimulation(t, 1)
	s.Faults, s.API.OnWrite = simtest.Faults{}, nil
	registered := corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}
	_, err := s.API.Create(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "new"}, Spec: corev1.NodeSpec{Taints: []corev1.Taint{registered}}})
	require.NoError(t, err)
	node := func() *corev1.Node { return simtest.Get[*corev1.Node](s.API, "", "new") }
	s.drain()
	s.Clock.Step(DefaultStartupGracePeriod - time.Second)
	s.drain()
	require.Equal(t, []corev1.Taint{registered}, node().Spec.Taints, "it has time")
	s.Clock.Step(time.Second)
	s.drain()
	require.Equal(t, "NodeStatusNeverUpdated", condition(node(), corev1.NodeReady).Reason)
	require.Equal(t, "Kubelet never posted node status.", condition(node(), corev1.NodeReady).Message)
	for _, taint := range node().Spec.Taints {
		require.Equal(t, corev1.TaintNodeUnreachable, taint.Key)
	}
}

func TestEvictionTime(t *testing.T) {
	at := time.Unix(1000, 0)
	ten, five, below := int64(10), int64(5), int64(-1)
	added := metav1.NewTime(at.Add(-time.Minute))
	plain, dated := corev1.Taint{Key: "a", Effect: corev1.TaintEffectNoExecute}, corev1.Taint{Key: "b", Effect: corev1.TaintEffectNoExecute, TimeAdded: &added}
	exists := func(key string, seconds *int64) corev1.Toleration {
		return corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, TolerationSeconds: seconds}
	}
	for name, row := range map[string]struct {
		tolerations []corev1.Toleration
		taints      []corev1.Taint
		want        time.Time
		evicts      bool
	}{
		"not tolerated":         {nil, []corev1.Taint{plain}, time.Time{}, true},
		"tolerated for ever":    {[]corev1.Toleration{exists("a", nil)}, []corev1.Taint{plain}, time.Time{}, false},
		"for a time":            {[]corev1.Toleration{exists("a", &ten)}, []corev1.Taint{plain}, at.Add(10 * time.Second), true},
		"the shortest counts":   {[]corev1.Toleration{exists("a", &ten), exists("a", &five)}, []corev1.Taint{plain}, at.Add(5 * time.Second), true},
		"below zero is at once": {[]corev1.Toleration{exists("a", &below)}, []corev1.Taint{plain}, at, true},
		"from the taint's time": {[]corev1.Toleration{exists("b", &ten)}, []corev1.Taint{dated}, added.Add(10 * time.Second), true},
		"one is not tolerated":  {[]corev1.Toleration{exists("a", &ten)}, []corev1.Taint{plain, dated}, time.Time{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, evicts := evictionTime(&corev1.Pod{Spec: corev1.PodSpec{Tolerations: row.tolerations}}, row.taints, at)
			require.Equal(t, row.evicts, evicts)
			require.True(t, row.want.Equal(got), "%s", got)
		})
	}
}
