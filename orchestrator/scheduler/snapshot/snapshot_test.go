package snapshot_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

func testNode(name string) *v1.Node {
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1.LabelHostname: name}},
		Status:     v1.NodeStatus{Allocatable: v1.ResourceList{v1.ResourceCPU: resource.MustParse("1"), v1.ResourcePods: resource.MustParse("10")}},
	}
}

func testPod(name, node string) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), Labels: map[string]string{"app": "a"}}}
	p.Spec.NodeName = node
	p.Spec.Containers = []v1.Container{{
		Ports:     []v1.ContainerPort{{HostPort: 80}},
		Resources: v1.ResourceRequirements{Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse("100m"), "example.com/gpu": resource.MustParse("1")}},
	}}
	return p
}

func TestWhatChangedComesFirst(t *testing.T) {
	s := snapshot.New()
	for _, name := range []string{"one", "two", "three"} {
		require.NotZero(t, s.SetNode(testNode(name))&snapshot.NodeAdded)
	}
	before := s.Generation()
	s.Place(testPod("pod", "one"))
	var changed []string
	for n := s.Newest(); n != nil && n.Generation > before; n = n.Next() {
		changed = append(changed, n.Name)
	}
	require.Equal(t, []string{"one"}, changed)

	before = s.Generation()
	heartbeat := testNode("two")
	heartbeat.Status.Conditions = []v1.NodeCondition{{Type: v1.NodeReady}}
	require.Zero(t, s.SetNode(heartbeat))
	require.Equal(t, before, s.Generation(), "a heartbeat changes nothing")

	cordoned := testNode("two")
	cordoned.Spec.Unschedulable = true
	require.Equal(t, snapshot.NodeTaints, s.SetNode(cordoned))
	require.Equal(t, "two", s.Newest().Name)
	require.Equal(t, s.Newest().Generation, s.Newest().Shape)
}

func TestPodsShareTemplatesAndGiveThemBack(t *testing.T) {
	s := snapshot.New()
	s.SetNode(testNode("one"))
	_, a := s.Place(testPod("a", "one"))
	_, b := s.Place(testPod("b", "one"))
	waiting := s.NewPod(testPod("c", ""))
	require.Same(t, a.Template, b.Template)
	require.Same(t, a.Template, waiting.Template)
	require.Equal(t, 3, a.Template.Known())

	other := testPod("b", "one")
	other.Labels["app"] = "b"
	s.Place(other)
	require.Equal(t, 2, s.Templates())
	s.Remove("a")
	s.Remove("b")
	s.Release(waiting)
	require.Zero(t, s.Templates())
	n := s.Node("one")
	require.Zero(t, n.Requested.MilliCPU)
	require.Zero(t, n.Requested.Extended["example.com/gpu"])
	require.Empty(t, n.Ports)
}

func TestPodsMayBeKnownBeforeTheirNode(t *testing.T) {
	s := snapshot.New()
	s.Place(testPod("a", "one"))
	require.Nil(t, s.Node("one"))
	require.Zero(t, s.Len())
	s.SetNode(testNode("one"))
	require.EqualValues(t, 100, s.Node("one").Requested.MilliCPU)
	s.RemoveNode("one")
	require.Nil(t, s.Node("one"))
	s.SetNode(testNode("one"))
	require.Len(t, s.Node("one").Pods, 1)
	s.RemoveNode("one")
	s.Remove("a")
	for _, n := range s.Slots() {
		require.Nil(t, n)
	}
}

func TestCountersFollowEveryChange(t *testing.T) {
	s := snapshot.New()
	s.SetNode(testNode("one"))
	s.Place(testPod("a", "one"))
	isA := func(t *snapshot.Template) bool { return t.Labels["app"] == "a" }
	all, live := s.Acquire("a", false, isA), s.Acquire("a", true, isA)
	_, b := s.Place(testPod("b", "one"))
	other := testPod("c", "one")
	other.Labels["app"] = "other"
	s.Place(other)
	n := s.Node("one")
	require.EqualValues(t, 2, all.On(n))
	require.EqualValues(t, 2, live.On(n))
	s.MarkTerminating(b)
	s.Place(testPod("b", "one"))
	require.EqualValues(t, 2, all.On(n))
	require.EqualValues(t, 1, live.On(n), "that a pod ends is not taken back by older news")
	s.Remove("a")
	s.Remove("b")
	require.Zero(t, all.Total())
	s.ReleaseCounter(all)
	s.ReleaseCounter(live)
	fresh := s.Acquire("a", false, isA)
	require.NotSame(t, all, fresh)
}

func TestPortsOverlap(t *testing.T) {
	f := func(want bool, a, b snapshot.Port) {
		t.Helper()
		require.Equal(t, want, a.Overlaps(b))
		require.Equal(t, want, b.Overlaps(a))
	}
	any80 := snapshot.Port{IP: "0.0.0.0", Protocol: v1.ProtocolTCP, Number: 80}
	f(true, any80, any80)
	f(true, any80, snapshot.Port{IP: "10.0.0.1", Protocol: v1.ProtocolTCP, Number: 80})
	f(false, any80, snapshot.Port{IP: "10.0.0.1", Protocol: v1.ProtocolUDP, Number: 80})
	f(false, any80, snapshot.Port{IP: "0.0.0.0", Protocol: v1.ProtocolTCP, Number: 81})
	f(false, snapshot.Port{IP: "10.0.0.2", Protocol: v1.ProtocolTCP, Number: 80}, snapshot.Port{IP: "10.0.0.1", Protocol: v1.ProtocolTCP, Number: 80})
}
