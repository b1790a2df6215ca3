package filter_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/scheduler/filter"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

func node(change func(*v1.Node)) *v1.Node {
	n := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "one", Labels: map[string]string{"disk": "ssd"}}}
	n.Status.Allocatable = v1.ResourceList{
		v1.ResourceCPU: resource.MustParse("1"), v1.ResourceMemory: resource.MustParse("1Gi"), v1.ResourcePods: resource.MustParse("2"),
		"example.com/gpu": resource.MustParse("1"),
	}
	change(n)
	return n
}

func pod(name string, change func(*v1.Pod)) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)}}
	p.Spec.Containers = []v1.Container{{Name: "c"}}
	change(p)
	return p
}

func requests(p *v1.Pod, list v1.ResourceList) { p.Spec.Containers[0].Resources.Requests = list }

func none[T any](T) {}

// verdict is for a pod on a node that has another pod already.
func verdict(n *v1.Node, there, p *v1.Pod) (string, bool) {
	s := snapshot.New()
	s.SetNode(n)
	there.Spec.NodeName = n.Name
	s.Place(there)
	t := s.NewPod(p).Template
	v := filter.Static(t, s.Node(n.Name))
	if v.OK() {
		v = filter.Occupancy(t, s.Node(n.Name), nil)
	}
	if v.OK() {
		v = filter.CheckVolumes(s, t, s.Node(n.Name))
	}
	var reasons []string
	v.Each(t, func(reason string) { reasons = append(reasons, reason) })
	return strings.Join(reasons, ", "), v.Final
}

func TestVerdictsOnOneNode(t *testing.T) {
	always := v1.ContainerRestartPolicyAlways
	hostPort := func(ip string, protocol v1.Protocol) func(*v1.Pod) {
		return func(p *v1.Pod) {
			p.Spec.Containers[0].Ports = []v1.ContainerPort{{HostPort: 80, HostIP: ip, Protocol: protocol}}
		}
	}
	taint := func(effect v1.TaintEffect) func(*v1.Node) {
		return func(n *v1.Node) { n.Spec.Taints = []v1.Taint{{Key: "k", Value: "v", Effect: effect}} }
	}
	cpu := func(amount string) func(*v1.Pod) {
		return func(p *v1.Pod) { requests(p, v1.ResourceList{v1.ResourceCPU: resource.MustParse(amount)}) }
	}
	for name, c := range map[string]struct {
		node       func(*v1.Node)
		there, pod func(*v1.Pod)
		want       string
		final      bool
	}{
		"fits":              {none[*v1.Node], cpu("500m"), cpu("500m"), "", false},
		"cpu":               {none[*v1.Node], cpu("600m"), cpu("500m"), "Insufficient cpu", false},
		"never enough":      {none[*v1.Node], none[*v1.Pod], cpu("2"), "Insufficient cpu", true},
		"nothing asked for": {none[*v1.Node], cpu("2"), none[*v1.Pod], "", false},
		"several": {none[*v1.Node], cpu("1"), func(p *v1.Pod) {
			requests(p, v1.ResourceList{v1.ResourceCPU: resource.MustParse("1m"), v1.ResourceMemory: resource.MustParse("2Gi"), "example.com/gpu": resource.MustParse("2")})
		}, "Insufficient cpu, Insufficient memory, Insufficient example.com/gpu", true},
		"unknown resource": {none[*v1.Node], none[*v1.Pod], func(p *v1.Pod) {
			requests(p, v1.ResourceList{"example.com/fpga": resource.MustParse("1")})
		}, "Insufficient example.com/fpga", true},
		"pods": {func(n *v1.Node) { n.Status.Allocatable[v1.ResourcePods] = resource.MustParse("1") }, none[*v1.Pod], none[*v1.Pod], "Too many pods", false},
		"init container": {none[*v1.Node], cpu("600m"), func(p *v1.Pod) {
			p.Spec.InitContainers = []v1.Container{{Resources: v1.ResourceRequirements{Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse("500m")}}}}
		}, "Insufficient cpu", false},
		"sidecar adds": {none[*v1.Node], cpu("400m"), func(p *v1.Pod) {
			cpu("400m")(p)
			p.Spec.InitContainers = []v1.Container{{RestartPolicy: &always, Resources: p.Spec.Containers[0].Resources}}
		}, "Insufficient cpu", false},
		"overhead":           {none[*v1.Node], cpu("900m"), func(p *v1.Pod) { p.Spec.Overhead = v1.ResourceList{v1.ResourceCPU: resource.MustParse("200m")} }, "Insufficient cpu", false},
		"same port":          {none[*v1.Node], hostPort("", v1.ProtocolTCP), hostPort("", v1.ProtocolTCP), "node(s) didn't have free ports for the requested pod ports", false},
		"any address":        {none[*v1.Node], hostPort("", v1.ProtocolTCP), hostPort("127.0.0.1", v1.ProtocolTCP), "node(s) didn't have free ports for the requested pod ports", false},
		"any address first":  {none[*v1.Node], hostPort("127.0.0.1", v1.ProtocolTCP), hostPort("0.0.0.0", v1.ProtocolTCP), "node(s) didn't have free ports for the requested pod ports", false},
		"other address":      {none[*v1.Node], hostPort("127.0.0.1", v1.ProtocolTCP), hostPort("127.0.0.2", v1.ProtocolTCP), "", false},
		"other protocol":     {none[*v1.Node], hostPort("", v1.ProtocolTCP), hostPort("", v1.ProtocolUDP), "", false},
		"unschedulable":      {func(n *v1.Node) { n.Spec.Unschedulable = true }, none[*v1.Pod], none[*v1.Pod], "node(s) were unschedulable", true},
		"taint":              {taint(v1.TaintEffectNoSchedule), none[*v1.Pod], none[*v1.Pod], "node(s) had untolerated taint(s)", true},
		"taint of execution": {taint(v1.TaintEffectNoExecute), none[*v1.Pod], none[*v1.Pod], "node(s) had untolerated taint(s)", true},
		"taint to avoid":     {taint(v1.TaintEffectPreferNoSchedule), none[*v1.Pod], none[*v1.Pod], "", false},
		"tolerated": {taint(v1.TaintEffectNoSchedule), none[*v1.Pod], func(p *v1.Pod) {
			p.Spec.Tolerations = []v1.Toleration{{Key: "k", Value: "v"}}
		}, "", false},
		"selector": {none[*v1.Node], none[*v1.Pod], func(p *v1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "hdd"} }, "node(s) didn't match Pod's node affinity/selector", true},
		"named":    {none[*v1.Node], none[*v1.Pod], pinTo("two"), "node(s) didn't satisfy plugin(s) [NodeAffinity]", true},
		"named so": {none[*v1.Node], none[*v1.Pod], pinTo("one"), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, final := verdict(node(c.node), pod("there", c.there), pod("new", c.pod))
			require.Equal(t, c.want, got)
			require.Equal(t, c.final, final)
		})
	}
}

// pinTo is what the daemon set controller does.
func pinTo(name string) func(*v1.Pod) {
	return func(p *v1.Pod) {
		p.Spec.Affinity = &v1.Affinity{NodeAffinity: &v1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &v1.NodeSelector{
			NodeSelectorTerms: []v1.NodeSelectorTerm{{MatchFields: []v1.NodeSelectorRequirement{{Key: "metadata.name", Operator: v1.NodeSelectorOpIn, Values: []string{name}}}}},
		}}}
	}
}

func TestClaims(t *testing.T) {
	s := snapshot.New()
	s.SetNode(node(none[*v1.Node]))
	p := s.NewPod(pod("new", func(p *v1.Pod) {
		p.Spec.Volumes = []v1.Volume{{Name: "v", VolumeSource: v1.VolumeSource{PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
	}))
	require.Equal(t, `persistentvolumeclaim "data" not found`, filter.ClaimsReady(s, p.Template))

	claim := &v1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "data"}}
	s.SetClaim(claim)
	require.Equal(t, "pod has unbound immediate PersistentVolumeClaims", filter.ClaimsReady(s, p.Template))

	bound := claim.DeepCopy()
	bound.Spec.VolumeName = "disk"
	require.Equal(t, "pod has unbound immediate PersistentVolumeClaims", filter.ClaimsReady(s, p.Template))
	bound.Annotations = map[string]string{storageclass.BindCompleted: "yes"}
	s.SetClaim(bound)
	require.Empty(t, filter.ClaimsReady(s, p.Template))
	reason := func() (reason string) {
		filter.CheckVolumes(s, p.Template, s.Node("one")).Each(p.Template, func(r string) { reason = r })
		return reason
	}
	require.Equal(t, "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)", reason())

	volume := &v1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "disk"}}
	volume.Spec.NodeAffinity = &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
		MatchExpressions: []v1.NodeSelectorRequirement{{Key: "disk", Operator: v1.NodeSelectorOpIn, Values: []string{"hdd"}}},
	}}}}
	s.SetVolume(volume)
	require.Equal(t, "node(s) didn't match PersistentVolume's node affinity", reason())

	here := volume.DeepCopy()
	here.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values = []string{"ssd"}
	s.SetVolume(here)
	require.Empty(t, reason())
}
