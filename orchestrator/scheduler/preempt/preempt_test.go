package preempt_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/scheduler/placement"
	"github.com/lubberline/lubberline/orchestrator/scheduler/preempt"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

type stage struct {
	t    *testing.T
	snap *snapshot.Snapshot
}

func newStage(t *testing.T, nodes ...string) *stage {
	s := &stage{t: t, snap: snapshot.New()}
	for _, name := range nodes {
		s.snap.SetNode(&v1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Status:     v1.NodeStatus{Allocatable: v1.ResourceList{v1.ResourceCPU: resource.MustParse("1"), v1.ResourcePods: resource.MustParse("10")}},
		})
	}
	return s
}

func pod(name, node, cpu string, priority int32, started int64) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), Labels: map[string]string{"app": name[:1]}}}
	p.Spec.NodeName, p.Spec.Priority = node, &priority
	p.Spec.Containers = []v1.Container{{Resources: v1.ResourceRequirements{Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse(cpu)}}}}
	p.Status.StartTime = &metav1.Time{Time: time.Unix(started, 0)}
	return p
}

func (s *stage) find(cpu string, priority int32, budgets ...preempt.Budget) (string, []string, preempt.Refusal) {
	p := s.snap.NewPod(pod("new", "", cpu, priority, 0))
	choice, refusal := preempt.Find(s.snap, placement.NewLedger(s.snap, p.Template, 1), budgets, 0)
	if choice == nil {
		return "", nil, refusal
	}
	var names []string
	for _, v := range choice.Victims {
		names = append(names, v.Object.Name)
	}
	return choice.Node.Name, names, refusal
}

func TestFewestAndLeastImportantPodsGo(t *testing.T) {
	s := newStage(t, "one")
	s.snap.Place(pod("a", "one", "400m", 10, 1))
	s.snap.Place(pod("b", "one", "300m", 5, 1))
	s.snap.Place(pod("c", "one", "300m", 5, 2))
	node, victims, _ := s.find("250m", 100)
	require.Equal(t, "one", node)
	require.Equal(t, []string{"c"}, victims, "of the lowest priority, the one that started last")

	_, victims, _ = s.find("500m", 100)
	require.Equal(t, []string{"b", "c"}, victims)
}

func TestTheNodeWithLeastHarmIsChosen(t *testing.T) {
	f := func(want string, pods ...*v1.Pod) {
		t.Helper()
		s := newStage(t, "one", "two")
		for _, p := range pods {
			s.snap.Place(p)
		}
		node, _, _ := s.find("1", 100)
		require.Equal(t, want, node)
	}
	f("two", pod("a", "one", "1", 10, 1), pod("b", "two", "1", 5, 1))                                  // lowest highest priority
	f("one", pod("a", "one", "1", 5, 1), pod("b", "two", "500m", 5, 1), pod("c", "two", "500m", 1, 1)) // lowest sum, fewest
	f("two", pod("a", "one", "1", 5, 1), pod("b", "two", "1", 5, 9))                                   // started last
	f("one", pod("a", "one", "1", 5, 1), pod("b", "two", "1", 100, 1))                                 // never of the same priority
}

func TestBudgetsAreKeptWherePossible(t *testing.T) {
	budget := preempt.Budget{Namespace: "default", Selector: labels.SelectorFromSet(labels.Set{"app": "b"})}
	s := newStage(t, "one", "two")
	s.snap.Place(pod("a", "one", "1", 50, 1))
	s.snap.Place(pod("b", "two", "1", 5, 1))
	node, victims, _ := s.find("1", 100, budget)
	require.Equal(t, "one", node)
	require.Equal(t, []string{"a"}, victims)

	budget.Allowed = 1
	node, _, _ = s.find("1", 100, budget)
	require.Equal(t, "two", node)

	budget.Allowed = 0
	s.snap.RemoveNode("one")
	node, victims, _ = s.find("1", 100, budget)
	require.Equal(t, "two", node, "a budget does not stop what has no other place")
	require.Equal(t, []string{"b"}, victims)
}

func TestWhyNoNodeHelps(t *testing.T) {
	s := newStage(t, "one", "two")
	s.snap.Place(pod("a", "one", "1", 100, 1))
	s.snap.Place(pod("b", "two", "800m", 100, 1))
	s.snap.Place(pod("c", "two", "200m", 1, 1))
	_, victims, refusal := s.find("900m", 100)
	require.Empty(t, victims)
	require.Equal(t, map[string]int{"No preemption victims found for incoming pod": 1, "Insufficient cpu": 1}, refusal.Reasons)

	_, _, refusal = s.find("2", 100)
	require.Equal(t, map[string]int{"Preemption is not helpful for scheduling": 2}, refusal.Reasons)
}

func TestManyNodesAreNotAllLookedAt(t *testing.T) {
	var names []string
	for i := range 500 {
		names = append(names, fmt.Sprintf("node-%03d", i))
	}
	s := newStage(t, names...)
	for i, name := range names {
		s.snap.Place(pod(fmt.Sprintf("p-%d", i), name, "1", int32(i%7), 1))
	}
	node, victims, _ := s.find("1", 100)
	require.NotEmpty(t, node)
	require.Len(t, victims, 1)
	require.EqualValues(t, 0, s.snap.Pod(types.UID(victims[0])).Template.Priority)
}
