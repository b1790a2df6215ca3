package scheduler_test

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/scheduler"
)

func (m *simulation) chance(percent int) bool { return m.r.IntN(100) < percent }

func (m *simulation) node(name string) *v1.Node {
	n := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}}}
	if m.chance(95) {
		n.Labels[v1.LabelHostname] = name
	}
	if m.chance(85) {
		n.Labels[v1.LabelTopologyZone] = string(rune('a' + m.r.IntN(3)))
	}
	if m.chance(60) {
		n.Labels["disk"] = "ssd"
	}
	if m.chance(15) {
		n.Spec.Taints = append(n.Spec.Taints, v1.Taint{Key: "dedicated", Effect: v1.TaintEffectNoSchedule})
	}
	if m.chance(10) {
		n.Spec.Taints = append(n.Spec.Taints, v1.Taint{Key: "avoid", Effect: v1.TaintEffectPreferNoSchedule})
	}
	n.Spec.Unschedulable = m.chance(5)
	n.Status.Allocatable = v1.ResourceList{
		v1.ResourceCPU:    *resource.NewMilliQuantity(int64(500+500*m.r.IntN(6)), resource.DecimalSI),
		v1.ResourceMemory: *resource.NewQuantity(int64(1+m.r.IntN(8))<<30, resource.BinarySI),
		v1.ResourcePods:   *resource.NewQuantity(int64(2+m.r.IntN(8)), resource.DecimalSI),
	}
	if m.chance(40) {
		n.Status.Allocatable["example.com/widget"] = *resource.NewQuantity(int64(1+m.r.IntN(3)), resource.DecimalSI)
	}
	return n
}

// pod makes a pod of one of the templates.
func (m *simulation) pod() *v1.Pod {
	m.uid++
	pod := m.templates[m.r.IntN(len(m.templates))]().DeepCopy()
	pod.Name = fmt.Sprintf("pod-%d", m.uid)
	pod.UID = types.UID(fmt.Sprintf("uid-%d-%d", m.seed, m.uid))
	if m.chance(5) {
		pod.Spec.SchedulingGates = []v1.PodSchedulingGate{{Name: "wait"}}
	}
	if m.chance(2) {
		pod.Spec.SchedulerName = "another"
	}
	return pod
}

func (m *simulation) template() func() *v1.Pod {
	priority := int32(m.r.IntN(4) * 100)
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: string(rune('x' + m.r.IntN(2))), Labels: map[string]string{"app": m.app()}}}
	pod.Spec.Priority, pod.Spec.SchedulerName = &priority, scheduler.DefaultName
	pod.Spec.Containers = []v1.Container{{Name: "c", Resources: m.requests()}}
	always := v1.ContainerRestartPolicyAlways
	if m.chance(20) {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, v1.Container{Name: "s", Resources: m.requests(), RestartPolicy: &always})
	}
	if m.chance(20) {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, v1.Container{Name: "i", Resources: m.requests()})
	}
	if m.chance(10) {
		pod.Spec.Overhead = v1.ResourceList{v1.ResourceCPU: resource.MustParse("50m")}
	}
	if m.chance(15) {
		port := v1.ContainerPort{HostPort: int32(8000 + m.r.IntN(2)), Protocol: v1.ProtocolTCP}
		if m.chance(50) {
			port.HostIP = fmt.Sprintf("127.0.0.%d", 1+m.r.IntN(2))
		}
		pod.Spec.Containers[0].Ports = []v1.ContainerPort{port}
	}
	if m.chance(15) {
		pod.Spec.NodeSelector = map[string]string{"disk": "ssd"}
	}
	if m.chance(30) {
		pod.Spec.Tolerations = []v1.Toleration{{Key: "dedicated", Operator: v1.TolerationOpExists}}
	}
	if m.chance(10) {
		never := v1.PreemptNever
		pod.Spec.PreemptionPolicy = &never
	}
	m.addAffinity(pod)
	m.addSpread(pod)
	return func() *v1.Pod { return pod }
}

func (m *simulation) app() string { return string(rune('a' + m.r.IntN(3))) }

func (m *simulation) key() string {
	if m.chance(50) {
		return v1.LabelHostname
	}
	return v1.LabelTopologyZone
}

func (m *simulation) requests() v1.ResourceRequirements {
	list := v1.ResourceList{}
	if m.chance(80) {
		list[v1.ResourceCPU] = *resource.NewMilliQuantity(int64(50*(1+m.r.IntN(12))), resource.DecimalSI)
	}
	if m.chance(70) {
		list[v1.ResourceMemory] = *resource.NewQuantity(int64(1+m.r.IntN(20))*(100<<20), resource.BinarySI)
	}
	if m.chance(10) {
		list["example.com/widget"] = *resource.NewQuantity(1, resource.DecimalSI)
	}
	return v1.ResourceRequirements{Requests: list}
}

func (m *simulation) addAffinity(pod *v1.Pod) {
	term := func() v1.PodAffinityTerm {
		t := v1.PodAffinityTerm{TopologyKey: m.key(), LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": m.app()}}}
		if m.chance(30) {
			t.Namespaces = []string{"x", "y"}
		}
		return t
	}
	a := &v1.Affinity{}
	if m.chance(15) {
		a.PodAffinity = &v1.PodAffinity{}
		for range 1 + m.r.IntN(2) {
			a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution = append(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, term())
		}
	}
	if m.chance(25) {
		a.PodAntiAffinity = &v1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{term()}}
	}
	if m.chance(15) {
		weighted := []v1.WeightedPodAffinityTerm{{Weight: int32(1 + m.r.IntN(100)), PodAffinityTerm: term()}}
		if m.chance(50) {
			a.PodAffinity = &v1.PodAffinity{PreferredDuringSchedulingIgnoredDuringExecution: weighted}
		} else {
			a.PodAntiAffinity = &v1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: weighted}
		}
	}
	if m.chance(15) {
		a.NodeAffinity = &v1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
			MatchExpressions: []v1.NodeSelectorRequirement{{Key: v1.LabelTopologyZone, Operator: v1.NodeSelectorOpIn, Values: []string{"a", "b"}}},
		}}}}
	}
	pod.Spec.Affinity = a
}

func (m *simulation) addSpread(pod *v1.Pod) {
	if !m.chance(35) {
		return
	}
	honor, ignore := v1.NodeInclusionPolicyHonor, v1.NodeInclusionPolicyIgnore
	for range 1 + m.r.IntN(2) {
		c := v1.TopologySpreadConstraint{
			MaxSkew: int32(1 + m.r.IntN(2)), TopologyKey: m.key(), WhenUnsatisfiable: v1.DoNotSchedule,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": m.app()}},
		}
		if m.chance(30) {
			c.WhenUnsatisfiable = v1.ScheduleAnyway
		}
		if m.chance(20) && c.WhenUnsatisfiable == v1.DoNotSchedule {
			domains := int32(1 + m.r.IntN(4))
			c.MinDomains = &domains
		}
		if m.chance(20) {
			c.NodeAffinityPolicy = &ignore
		}
		if m.chance(20) {
			c.NodeTaintsPolicy = &honor
		}
		pod.Spec.TopologySpreadConstraints = append(pod.Spec.TopologySpreadConstraints, c)
	}
}
