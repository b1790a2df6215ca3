package placement_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/scheduler/filter"
	"github.com/lubberline/lubberline/orchestrator/scheduler/placement"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

func testNode(r *rand.Rand, name string) *v1.Node {
	n := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}}}
	if r.IntN(10) > 0 {
		n.Labels[v1.LabelHostname] = name
	}
	if r.IntN(10) > 0 {
		n.Labels[v1.LabelTopologyZone] = fmt.Sprint(r.IntN(3))
	}
	n.Spec.Unschedulable = r.IntN(10) == 0
	n.Status.Allocatable = v1.ResourceList{
		v1.ResourceCPU: *resource.NewQuantity(int64(1+r.IntN(4)), resource.DecimalSI), v1.ResourcePods: resource.MustParse("20"),
	}
	return n
}

func testPod(r *rand.Rand, name, app string) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), Labels: map[string]string{"app": app}}}
	p.Spec.Containers = []v1.Container{{Resources: v1.ResourceRequirements{Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse("100m")}}}}
	selector := func() *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": fmt.Sprint(r.IntN(3))}}
	}
	key := []string{v1.LabelHostname, v1.LabelTopologyZone}[r.IntN(2)]
	term := v1.PodAffinityTerm{TopologyKey: key, LabelSelector: selector()}
	p.Spec.Affinity = &v1.Affinity{PodAffinity: &v1.PodAffinity{}, PodAntiAffinity: &v1.PodAntiAffinity{}}
	switch r.IntN(6) {
	case 0:
		p.Spec.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution = []v1.PodAffinityTerm{term}
	case 1:
		p.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution = []v1.PodAffinityTerm{term}
	case 2:
		p.Spec.Affinity.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution = []v1.WeightedPodAffinityTerm{{Weight: 50, PodAffinityTerm: term}}
	case 3:
		p.Spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution = []v1.WeightedPodAffinityTerm{{Weight: 50, PodAffinityTerm: term}}
	case 4:
		p.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: v1.DoNotSchedule, LabelSelector: selector()}}
	case 5:
		p.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: v1.ScheduleAnyway, LabelSelector: selector()}}
	}
	return p
}

// TestALedgerKeptUpIsLikeANewOne changes the snapshot at random and compares a
// ledger that has seen every change with one that begins anew: the same node,
// and the same verdict on every node.
func TestALedgerKeptUpIsLikeANewOne(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		s := snapshot.New()
		var ledgers []*placement.Ledger
		for i := range 5 {
			p := s.NewPod(testPod(r, fmt.Sprintf("kind-%d", i), fmt.Sprint(r.IntN(3))))
			ledgers = append(ledgers, placement.NewLedger(s, p.Template, seed))
		}
		var names []string
		for step := range 40 {
			switch r.IntN(6) {
			case 0, 1, 2:
				name := fmt.Sprintf("pod-%d", step)
				p := testPod(r, name, fmt.Sprint(r.IntN(3)))
				p.Spec.NodeName = fmt.Sprintf("node-%d", r.IntN(6))
				s.Place(p)
				names = append(names, name)
			case 3:
				if len(names) > 0 {
					s.Remove(types.UID(names[r.IntN(len(names))]))
				}
			case 4:
				s.SetNode(testNode(r, fmt.Sprintf("node-%d", r.IntN(6))))
			case 5:
				if r.IntN(4) == 0 {
					s.RemoveNode(fmt.Sprintf("node-%d", r.IntN(6)))
				} else if len(names) > 0 {
					if p := s.Pod(types.UID(names[r.IntN(len(names))])); p != nil {
						s.MarkTerminating(p)
					}
				}
			}
			if r.IntN(3) == 0 {
				continue // take in several changes at once
			}
			for _, kept := range ledgers {
				fresh := placement.NewLedger(s, kept.Template, seed)
				require.Equal(t, verdicts(fresh), verdicts(kept), "seed %d step %d", seed, step)
				require.Equal(t, nameOf(fresh.Pick()), nameOf(kept.Pick()), "seed %d step %d", seed, step)
				fresh.Close()
			}
		}
	}
}

func verdicts(l *placement.Ledger) map[string]filter.Verdict {
	m := map[string]filter.Verdict{}
	l.Each(func(n *snapshot.Node, v filter.Verdict) { m[n.Name] = v })
	return m
}

func nameOf(n *snapshot.Node) string {
	if n == nil {
		return ""
	}
	return n.Name
}
