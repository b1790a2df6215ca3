package scheduler_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/scheduler"
	"github.com/lubberline/lubberline/orchestrator/scheduler/preempt"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

// stage is a scheduler whose decisions are written down.
type stage struct {
	t         *testing.T
	now       time.Time
	snap      *snapshot.Snapshot
	core      *scheduler.Scheduler
	bound     map[string]string
	rejected  map[string]string
	tries     map[string]int
	nominated map[string]string
	victims   []string
}

func (s *stage) Snapshot() *snapshot.Snapshot      { return s.snap }
func (s *stage) Budgets() []preempt.Budget         { return nil }
func (s *stage) Bind(p *snapshot.Pod, node string) { s.bound[p.Object.Name] = node }

func (s *stage) Reject(r scheduler.Rejection) {
	s.rejected[r.Pod.Object.Name] = r.Message
	s.nominated[r.Pod.Object.Name] = r.Node
	s.tries[r.Pod.Object.Name]++
}

func (s *stage) Preempt(_ *snapshot.Pod, _ string, victims []*snapshot.Pod) {
	for _, v := range victims {
		s.victims = append(s.victims, v.Object.Name)
	}
}

func newStage(t *testing.T, nodes ...*v1.Node) *stage {
	s := &stage{
		t: t, now: time.Unix(1000, 0), snap: snapshot.New(), bound: map[string]string{}, rejected: map[string]string{},
		tries: map[string]int{}, nominated: map[string]string{},
	}
	s.core = scheduler.New(scheduler.Options{Seed: 1, State: s, Plan: s})
	for _, n := range nodes {
		s.core.SetNode(s.now, n)
	}
	return s
}

func (s *stage) step() { s.core.Step(s.now, 1000) }

func (s *stage) pod(p *v1.Pod) *v1.Pod {
	s.core.SetPod(s.now, p)
	s.step()
	return p
}

func (s *stage) after(d time.Duration) {
	s.now = s.now.Add(d)
	s.step()
}

func testNode(name, cpu string, labels ...string) *v1.Node {
	n := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1.LabelHostname: name}}}
	for i := 0; i < len(labels); i += 2 {
		n.Labels[labels[i]] = labels[i+1]
	}
	n.Status.Allocatable = v1.ResourceList{
		v1.ResourceCPU: resource.MustParse(cpu), v1.ResourceMemory: resource.MustParse("8Gi"), v1.ResourcePods: resource.MustParse("50"),
	}
	return n
}

func testPod(name, cpu string, change ...func(*v1.Pod)) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), Labels: map[string]string{}}}
	p.Spec.SchedulerName = scheduler.DefaultName
	p.Spec.Containers = []v1.Container{{Name: "c", Image: "image:1"}}
	if cpu != "" {
		p.Spec.Containers[0].Resources.Requests = v1.ResourceList{v1.ResourceCPU: resource.MustParse(cpu)}
	}
	for _, f := range change {
		f(p)
	}
	return p
}

func withPriority(p int32) func(*v1.Pod) { return func(pod *v1.Pod) { pod.Spec.Priority = &p } }

func placed(p *v1.Pod, node string) *v1.Pod {
	p = p.DeepCopy()
	p.Spec.NodeName = node
	return p
}

func TestWordsOfRejections(t *testing.T) {
	s := newStage(t)
	s.pod(testPod("early", ""))
	require.Equal(t, "no nodes available to schedule pods", s.rejected["early"])

	tainted := testNode("three", "8")
	tainted.Spec.Taints = []v1.Taint{{Key: "k", Effect: v1.TaintEffectNoSchedule}}
	s = newStage(t, testNode("one", "1", "disk", "ssd"), testNode("two", "8"), tainted)
	s.pod(testPod("picky", "2", func(p *v1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "ssd"} }))
	require.Equal(t, "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint(s). "+
		"preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.", s.rejected["picky"])

	never := v1.PreemptNever
	s.pod(testPod("polite", "9", func(p *v1.Pod) { p.Spec.PreemptionPolicy = &never }))
	require.Equal(t, "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.", s.rejected["polite"])

	s.pod(testPod("claimant", "", func(p *v1.Pod) {
		p.Spec.Volumes = []v1.Volume{{VolumeSource: v1.VolumeSource{PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
	}))
	require.Equal(t, `0/3 nodes are available: persistentvolumeclaim "data" not found. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.`, s.rejected["claimant"])
}

func TestOnlyWhatCanHelpIsARetry(t *testing.T) {
	s := newStage(t, testNode("one", "1"), testNode("two", "1", "disk", "ssd"))
	filler := s.pod(testPod("filler", "1", func(p *v1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "ssd"} }))
	s.core.Bound(filler.UID)
	s.core.SetPod(s.now, placed(filler, "two"))
	s.pod(testPod("waiting", "1", func(p *v1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "ssd"} }))
	require.Equal(t, 1, s.tries["waiting"])

	other := s.pod(testPod("other", "500m"))
	require.Equal(t, "one", s.bound["other"])
	s.core.RemovePod(s.now, other.UID)
	busy := testNode("three", "1")
	s.core.SetNode(s.now, busy)
	s.after(20 * time.Second)
	require.Equal(t, 1, s.tries["waiting"], "neither a pod elsewhere nor a node that does not match is of use")

	s.core.RemovePod(s.now, filler.UID)
	s.step()
	require.Equal(t, "two", s.bound["waiting"])
}

func TestBackoffGrows(t *testing.T) {
	s := newStage(t, testNode("one", "1"))
	s.pod(testPod("waiting", "2"))
	for i, want := range []time.Duration{1, 2, 4, 8, 10, 10} {
		require.Equal(t, i+1, s.tries["waiting"])
		s.core.Disturbed(s.now)
		s.after(want*time.Second - time.Millisecond)
		require.Equal(t, i+1, s.tries["waiting"], "before %ds", want)
		due, is := s.core.Next(s.now)
		require.True(t, is)
		require.Equal(t, time.Millisecond, due.Sub(s.now))
		s.after(time.Millisecond)
	}
}

func TestWhatWaitsForLongIsRetried(t *testing.T) {
	s := newStage(t, testNode("one", "1"))
	s.pod(testPod("waiting", "2"))
	for range 9 {
		s.after(30 * time.Second)
	}
	require.Equal(t, 1, s.tries["waiting"])
	s.after(30 * time.Second)
	require.Equal(t, 2, s.tries["waiting"])
}

func TestGatedAndForeignPodsAreLeftAlone(t *testing.T) {
	s := newStage(t, testNode("one", "1"))
	gate := func(p *v1.Pod) { p.Spec.SchedulingGates = []v1.PodSchedulingGate{{Name: "wait"}} }
	s.pod(testPod("gated", "", gate))
	s.pod(testPod("foreign", "", func(p *v1.Pod) { p.Spec.SchedulerName = "another" }))
	require.Empty(t, s.bound)
	require.Equal(t, scheduler.Depths{Gated: 1}, s.core.Depths())
	s.pod(testPod("gated", ""))
	require.Equal(t, map[string]string{"gated": "one"}, s.bound)
}

func TestAPodOfLowerPriorityDoesNotTakeTheRoomMade(t *testing.T) {
	s := newStage(t, testNode("one", "1"))
	low := s.pod(testPod("low", "1", withPriority(1)))
	s.core.Bound(low.UID)
	s.core.SetPod(s.now, placed(low, "one"))
	s.pod(testPod("high", "1", withPriority(100)))
	require.Equal(t, []string{"low"}, s.victims)
	require.Equal(t, "one", s.nominated["high"])

	s.pod(testPod("middle", "1", withPriority(50)))
	require.Len(t, s.victims, 1)
	s.core.RemovePod(s.now, low.UID)
	s.core.SetPod(s.now, testPod("late", "1", withPriority(1)))
	s.after(time.Second)
	require.Equal(t, "one", s.bound["high"])
	require.NotContains(t, s.bound, "middle")
	require.NotContains(t, s.bound, "late")
}

func TestAFailedBindingIsTriedAgain(t *testing.T) {
	s := newStage(t, testNode("one", "1"))
	p := s.pod(testPod("pod", "1"))
	require.Equal(t, "one", s.bound["pod"])
	delete(s.bound, "pod")
	s.core.Failed(s.now, p.UID)
	s.step()
	require.Empty(t, s.bound, "not before the back-off")
	s.after(time.Second)
	require.Equal(t, "one", s.bound["pod"])
}

func TestPodsOfAControllerAreSpread(t *testing.T) {
	var nodes []*v1.Node
	for i := range 6 {
		nodes = append(nodes, testNode(fmt.Sprintf("node-%d", i), fmt.Sprint(4+8*(i%2)), v1.LabelTopologyZone, string(rune('a'+i%3))))
	}
	s := newStage(t, nodes...)
	controller := true
	for i := range 12 {
		s.pod(testPod(fmt.Sprintf("pod-%d", i), "100m", func(p *v1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{{UID: "rc", Controller: &controller}}
		}))
	}
	counts := map[string]int{}
	for _, node := range s.bound {
		counts[node]++
	}
	for _, n := range nodes {
		require.Equal(t, 2, counts[n.Name], "%v", counts)
	}
}

func TestTheSameSeedPlacesTheSame(t *testing.T) {
	run := func() map[string]string {
		s := newStage(t)
		for i := range 40 {
			s.core.SetNode(s.now, testNode(fmt.Sprintf("node-%d", i), "4", v1.LabelTopologyZone, fmt.Sprint(i%3)))
		}
		for i := range 200 {
			s.pod(testPod(fmt.Sprintf("pod-%d", i), fmt.Sprintf("%dm", 100+i%3), func(p *v1.Pod) { p.Labels["app"] = fmt.Sprint(i % 7) }))
		}
		return s.bound
	}
	first, second := run(), run()
	require.Equal(t, first, second)
}

func TestImagesAndPreferencesAreFollowed(t *testing.T) {
	with := testNode("with", "4")
	with.Status.Images = []v1.ContainerImage{{Names: []string{"big:1"}, SizeBytes: 2 << 30}}
	s := newStage(t, testNode("without", "4"), with)
	s.pod(testPod("pod", "", func(p *v1.Pod) { p.Spec.Containers[0].Image = "big:1" }))
	require.Equal(t, "with", s.bound["pod"])

	avoid := testNode("avoid", "4")
	avoid.Spec.Taints = []v1.Taint{{Key: "k", Effect: v1.TaintEffectPreferNoSchedule}}
	s = newStage(t, avoid, testNode("small", "1"))
	s.pod(testPod("pod", "500m"))
	require.Equal(t, "small", s.bound["pod"])

	s = newStage(t, testNode("one", "4"), testNode("two", "4", "disk", "ssd"))
	for i := range 3 {
		s.pod(testPod(fmt.Sprintf("pod-%d", i), "100m", func(p *v1.Pod) {
			p.Spec.Affinity = &v1.Affinity{NodeAffinity: &v1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []v1.PreferredSchedulingTerm{
				{Weight: 100, Preference: v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{{Key: "disk", Operator: v1.NodeSelectorOpExists}}}},
			}}}
		}))
		require.Equal(t, "two", s.bound[fmt.Sprintf("pod-%d", i)])
	}
}

func TestNothingIsKeptOfPodsThatAreGone(t *testing.T) {
	s := newStage(t, testNode("one", "1"))
	for i := range 50 {
		p := s.pod(testPod(fmt.Sprintf("pod-%d", i), "100m", func(p *v1.Pod) { p.Labels["pod"] = p.Name }))
		s.core.Bound(p.UID)
	}
	for i := range 50 {
		s.core.RemovePod(s.now, types.UID(fmt.Sprintf("pod-%d", i)))
	}
	s.after(20 * time.Second)
	require.Zero(t, s.snap.Node("one").Requested.MilliCPU)
	for i := range 50 {
		s.core.RemovePod(s.now, types.UID(fmt.Sprintf("pod-%d", i)))
	}
	require.Equal(t, scheduler.Depths{}, s.core.Depths())
	require.Zero(t, s.snap.Templates())
	require.Empty(t, s.snap.Node("one").Pods)
}
