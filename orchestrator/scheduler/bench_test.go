package scheduler_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/scheduler"
	"github.com/lubberline/lubberline/orchestrator/scheduler/preempt"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

const benchPods = 5000

// sink accepts every decision.
type sink struct {
	snap  *snapshot.Snapshot
	bound []types.UID
	other int
}

func (s *sink) Snapshot() *snapshot.Snapshot                   { return s.snap }
func (s *sink) Budgets() []preempt.Budget                      { return nil }
func (s *sink) Bind(p *snapshot.Pod, _ string)                 { s.bound = append(s.bound, p.Object.UID) }
func (s *sink) Reject(scheduler.Rejection)                     { s.other++ }
func (s *sink) Preempt(*snapshot.Pod, string, []*snapshot.Pod) { s.other++ }

func benchNode(i int) *v1.Node {
	name := fmt.Sprintf("node-%d", i)
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			v1.LabelHostname: name, v1.LabelTopologyZone: fmt.Sprintf("zone-%d", i%3),
		}},
		Status: v1.NodeStatus{Allocatable: v1.ResourceList{
			v1.ResourceCPU: resource.MustParse("16"), v1.ResourceMemory: resource.MustParse("64Gi"), v1.ResourcePods: resource.MustParse("110"),
		}},
	}
}

// benchPod is of one of ten controllers.
func benchPod(i int, change func(*v1.Pod)) *v1.Pod {
	app, controller, priority := fmt.Sprintf("app-%d", i%10), true, int32(0)
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "bench", Name: fmt.Sprintf("pod-%d", i), UID: types.UID(fmt.Sprintf("uid-%d", i)), Labels: map[string]string{"app": app},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ReplicationController", Name: app, UID: types.UID(app), Controller: &controller}},
		},
		Spec: v1.PodSpec{
			SchedulerName: scheduler.DefaultName, Priority: &priority,
			Containers: []v1.Container{{Name: "c", Image: "image:1", Resources: v1.ResourceRequirements{Requests: v1.ResourceList{
				v1.ResourceCPU: resource.MustParse("100m"), v1.ResourceMemory: resource.MustParse("128Mi"),
			}}}},
		},
	}
	change(pod)
	return pod
}

func selector(pod *v1.Pod) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: pod.Labels}
}

var benchKinds = []struct {
	name   string
	change func(i int) func(*v1.Pod)
}{
	{"plain", func(int) func(*v1.Pod) { return func(*v1.Pod) {} }},
	{"affinity", func(int) func(*v1.Pod) {
		return func(pod *v1.Pod) { // away from its own kind on a host, near it in a zone if possible
			pod.Spec.Affinity = &v1.Affinity{
				PodAntiAffinity: &v1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{
					{TopologyKey: v1.LabelHostname, LabelSelector: selector(pod)},
				}},
				PodAffinity: &v1.PodAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []v1.WeightedPodAffinityTerm{
					{Weight: 10, PodAffinityTerm: v1.PodAffinityTerm{TopologyKey: v1.LabelTopologyZone, LabelSelector: selector(pod)}},
				}},
			}
		}
	}},
	{"spread", func(int) func(*v1.Pod) {
		return func(pod *v1.Pod) {
			pod.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{
				{MaxSkew: 1, TopologyKey: v1.LabelTopologyZone, WhenUnsatisfiable: v1.DoNotSchedule, LabelSelector: selector(pod)},
				{MaxSkew: 1, TopologyKey: v1.LabelHostname, WhenUnsatisfiable: v1.DoNotSchedule, LabelSelector: selector(pod)},
			}
		}
	}},
	{"alldifferent", func(i int) func(*v1.Pod) {
		return func(pod *v1.Pod) { // nothing can be shared
			pod.Labels["pod"] = pod.Name
		}
	}},
}

// BenchmarkDecisions places 5,000 pods, from the objects as an informer brings
// them to the bindings.
func BenchmarkDecisions(b *testing.B) {
	for _, kind := range benchKinds {
		for _, nodes := range []int{1000, 5000} {
			b.Run(fmt.Sprintf("%s/nodes=%d", kind.name, nodes), func(b *testing.B) { benchDecisions(b, nodes, kind.change) })
		}
	}
}

func benchDecisions(b *testing.B, nodes int, change func(int) func(*v1.Pod)) {
	now := time.Unix(0, 0)
	pods := make([]*v1.Pod, benchPods)
	for i := range pods {
		pods[i] = benchPod(i, change(i))
	}
	var cpu time.Duration // steadier than the clock where others run too
	for range b.N {
		b.StopTimer()
		s := &sink{snap: snapshot.New()}
		core := scheduler.New(scheduler.Options{State: s, Plan: s})
		for i := range nodes {
			core.SetNode(now, benchNode(i))
		}
		b.StartTimer()
		start := processTime()
		for _, pod := range pods {
			core.SetPod(now, pod)
		}
		for core.Step(now, 128) > 0 {
			for _, uid := range s.bound {
				core.Bound(uid)
			}
			s.bound = s.bound[:0]
		}
		cpu += processTime() - start
		if s.other > 0 {
			b.Fatalf("%d pods were not placed", s.other)
		}
	}
	b.ReportMetric(float64(benchPods*b.N)/b.Elapsed().Seconds(), "decisions/s")
	b.ReportMetric(float64(benchPods*b.N)/cpu.Seconds(), "decisions/cpu-s")
}

// processTime is the CPU time of all threads, garbage collection included.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
