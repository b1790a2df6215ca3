package nodelifecycle

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/controller/simtest"
)

// TestSimulation lets nodes fall silent and come back, in random orders of
// events, with old caches and failures, and checks:
//   - NeverTooEarly: while caches keep up, no node is given up within its grace
//     period;
//   - Tolerated: no pod is evicted while it tolerates its node's taints;
//   - TaintedAlike: in the end a node's taints are those of its conditions;
//   - Evicted: in the end no pod is left on a silent node that tolerates it no
//     more, and none of those that do tolerate it is gone;
//   - OutOfService: in the end no pod of a silent node is ready, and pods of
//     nodes that were never silent still are.
func TestSimulation(t *testing.T) {
	const runs = 150
	t.Attr("runs", fmt.Sprint(runs))
	for seed := range uint64(runs) {
		newSimulation(t, seed).run()
	}
}

type simulation struct {
	*simtest.World
	t        *testing.T
	seed     uint64
	prompt   bool                 // caches keep up
	dead     map[string]bool      // silent now
	renewed  map[string]time.Time // the last sign of life
	tainted  map[string]time.Time // since when pods are evicted; kept when it ends
	troubled map[string]bool      // was ever not ready
}

const nodes = 3

func newSimulation(t *testing.T, seed uint64) *simulation {
	s := &simulation{
		World: simtest.New(seed), t: t, seed: seed, dead: map[string]bool{},
		renewed: map[string]time.Time{}, tainted: map[string]time.Time{}, troubled: map[string]bool{},
	}
	if s.prompt = s.Chance(.5); !s.prompt {
		s.Faults = simtest.Faults{Refused: .1 * s.Rand.Float64(), Lost: .1 * s.Rand.Float64(), Conflict: .2 * s.Rand.Float64()}
	}
	s.API.OnWrite = s.check
	c, err := New(Options{Client: s.Client(), Informers: s.Informers(), Events: s.Events(), Clock: s.Clock})
	require.NoError(t, err)
	s.Loops = c.Loops()
	return s
}

func (s *simulation) require(ok bool, format string, args ...any) {
	s.t.Helper()
	require.True(s.t, ok, "seed %d: %s", s.seed, fmt.Sprintf(format, args...))
}

func (s *simulation) run() {
	for i := range nodes {
		s.addNode(fmt.Sprint("node-", i))
	}
	for range 300 {
		s.tick()
		if name := fmt.Sprint("node-", s.Rand.IntN(nodes)); s.Chance(.01) {
			s.dead[name] = !s.dead[name]
		} else if s.Chance(.02) {
			s.disturb(name)
		}
		for range s.Rand.IntN(10) {
			s.Step(s.t.Context())
		}
		if s.prompt {
			s.drain()
		}
	}
	s.Faults = simtest.Faults{}
	for range 120 { // longer than the grace period and any toleration
		s.tick()
		s.drain()
	}
	s.checkEnd()
}

func (s *simulation) drain() { s.require(s.Settle(s.t.Context(), 0, nil), "still busy") }

// tick lets a second pass. Nodes that live renew their lease every ten.
func (s *simulation) tick() {
	s.Clock.Step(time.Second)
	now := s.Clock.Now()
	for i := range nodes {
		if name := fmt.Sprint("node-", i); !s.dead[name] && now.Sub(s.renewed[name]) >= 10*time.Second {
			s.renew(name)
		}
	}
}

func (s *simulation) renew(name string) {
	now := s.Clock.Now()
	s.renewed[name] = now
	micro := metav1.NewMicroTime(now)
	simtest.Change(s.API, corev1.NamespaceNodeLease, name, func(l *coordinationv1.Lease) { l.Spec.RenewTime = &micro })
	simtest.Change(s.API, "", name, func(n *corev1.Node) {
		if ready := condition(n, corev1.NodeReady); ready.Status != corev1.ConditionTrue {
			ready.Status, ready.LastHeartbeatTime, ready.LastTransitionTime = corev1.ConditionTrue, metav1.NewTime(now), metav1.NewTime(now)
		}
	})
}

func (s *simulation) addNode(name string) {
	now := metav1.NewTime(s.Clock.Now())
	_, err := s.API.Create(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceNodeLease, Name: name}})
	require.NoError(s.t, err)
	_, err = s.API.Create(&corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{Taints: []corev1.Taint{{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}}},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: now}}},
	})
	require.NoError(s.t, err)
	s.renew(name)
	short, none := int64(20), int64(0)
	for kind, tolerations := range [][]corev1.Toleration{
		nil,
		{{Operator: corev1.TolerationOpExists}},
		{{Operator: corev1.TolerationOpExists, TolerationSeconds: &short, Effect: corev1.TaintEffectNoExecute}},
		{{Operator: corev1.TolerationOpExists, TolerationSeconds: &none, Effect: corev1.TaintEffectNoExecute}},
		{{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists}},
	} {
		pod, err := s.API.Create(&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprint(name, "-", kind)}, Spec: corev1.PodSpec{NodeName: name, Tolerations: tolerations}})
		require.NoError(s.t, err)
		s.SetReady(pod.(*corev1.Pod), true)
	}
}

func (s *simulation) disturb(name string) {
	simtest.Change(s.API, "", name, func(n *corev1.Node) {
		if s.Chance(.5) {
			n.Spec.Unschedulable = !n.Spec.Unschedulable
			return
		}
		status := []corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionFalse}[s.Rand.IntN(2)]
		if c := condition(n, corev1.NodeDiskPressure); c != nil {
			c.Status = status
		} else {
			n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: corev1.NodeDiskPressure, Status: status})
		}
	})
}

func (s *simulation) check(w simtest.Write) {
	switch old := w.Old.(type) {
	case *corev1.Node:
		s.checkNode(old, w.Current.(*corev1.Node))
	case *corev1.Pod:
		deleted := w.Current == nil || w.Current.GetDeletionTimestamp() != nil
		if w.ByController && deleted {
			s.checkEviction(old)
		}
	}
}

func (s *simulation) checkNode(old, current *corev1.Node) {
	now := s.Clock.Now()
	if len(noExecute(old)) == 0 && len(noExecute(current)) > 0 {
		s.tainted[current.Name] = now
	}
	if condition(current, corev1.NodeReady).Status == corev1.ConditionUnknown {
		s.troubled[current.Name] = true
		if condition(old, corev1.NodeReady).Status != corev1.ConditionUnknown {
			silent := now.Sub(s.renewed[current.Name])
			s.require(!s.prompt || silent >= DefaultGracePeriod, "NeverTooEarly: %s after %s", current.Name, silent)
		}
	}
}

func (s *simulation) checkEviction(pod *corev1.Pod) {
	since, tainted := s.tainted[pod.Spec.NodeName]
	s.require(tainted, "Tolerated: %s evicted without a taint", pod.Name)
	for _, t := range pod.Spec.Tolerations {
		s.require(t.TolerationSeconds != nil, "Tolerated: %s tolerates it for ever", pod.Name)
		end := since.Add(time.Duration(*t.TolerationSeconds) * time.Second)
		s.require(!s.Clock.Now().Before(end), "Tolerated: %s evicted at %s, tolerates until %s", pod.Name, s.Clock.Now(), end)
	}
}

func (s *simulation) checkEnd() {
	for _, node := range simtest.List[*corev1.Node](s.API) {
		asked := wanted(node)
		s.require(len(asked) == len(node.Spec.Taints), "TaintedAlike: %s has %v, wanted %v", node.Name, node.Spec.Taints, asked)
		for _, t := range node.Spec.Taints {
			s.require(slices.ContainsFunc(asked, func(a corev1.Taint) bool { return a.MatchTaint(&t) }), "TaintedAlike: %s has %v", node.Name, t)
		}
		unknown := condition(node, corev1.NodeReady).Status == corev1.ConditionUnknown
		s.require(unknown == s.dead[node.Name], "silent %v, but %v", s.dead[node.Name], node.Status.Conditions)
		s.checkPods(node)
	}
}

func (s *simulation) checkPods(node *corev1.Node) {
	left := map[string]bool{}
	for _, pod := range s.Pods() {
		if pod.Spec.NodeName != node.Name {
			continue
		}
		if pod.DeletionTimestamp == nil {
			left[pod.Name] = true
		}
		ready := slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue })
		s.require(!ready || !s.dead[node.Name], "OutOfService: %s is ready", pod.Name)
		s.require(ready || s.troubled[node.Name], "OutOfService: %s is not ready", pod.Name)
	}
	for kind, evicted := range []bool{true, false, true, true, false} {
		name := fmt.Sprint(node.Name, "-", kind)
		s.require(evicted || left[name], "Evicted: %s is gone", name)
		s.require(!evicted || !s.dead[node.Name] || !left[name], "Evicted: %s is left", name)
		s.require(s.troubled[node.Name] || left[name], "Evicted: %s is gone", name)
	}
}
