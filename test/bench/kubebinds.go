package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	bindPods    = 5000
	bindWriters = 32
	gateLabel   = "gate"
)

// binding is what became of bindPods pods for fake nodes.
type binding struct {
	creates float64 // pods/s
	binds   float64 // pods/s, from the moment when they may be bound to the last
	cpu     float64 // of the program, us a pod
}

// bindOn makes fake nodes, and pods for them that must be near one more pod
// and so cannot be placed. When all are known to be unschedulable that one is
// made, and what is measured is the scheduler and the API, without the client.
func (k *kube) bindOn(ctx context.Context, nodes int) (b binding, err error) {
	err = each(ctx, nodes, func(i int) error {
		_, err := k.client.CoreV1().Nodes().Create(ctx, fakeNode(i), metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return b, err
	}
	pods := k.client.CoreV1().Pods(v1.NamespaceDefault)
	began := time.Now()
	err = each(ctx, bindPods, func(i int) error {
		_, err := pods.Create(ctx, fakePod(fmt.Sprintf("fake-%d", i), false), metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return b, err
	}
	b.creates = bindPods / time.Since(began).Seconds()
	if err := k.awaitPods(ctx, "fake=yes", bindPods, isRejected); err != nil {
		return b, err
	}
	if err := sleep(ctx, 2*time.Second); err != nil { // events of the rejections are on their way
		return b, err
	}
	u, err := k.process.watch(func() error {
		if _, err := pods.Create(ctx, fakePod("gate", true), metav1.CreateOptions{}); err != nil {
			return err
		}
		return k.awaitPods(ctx, "fake=yes", bindPods+1, func(pod *v1.Pod) bool { return pod.Spec.NodeName != "" })
	})
	b.binds, b.cpu = bindPods/u.wall.Seconds(), float64(u.cpu.Microseconds())/bindPods
	return b, err
}

func isRejected(pod *v1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == v1.PodScheduled && c.Reason == v1.PodReasonUnschedulable {
			return true
		}
	}
	return false
}

// each does f(0) to f(n-1), many at the same time.
func each(ctx context.Context, n int, f func(int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var group sync.WaitGroup
	for range bindWriters {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

func fakeNode(i int) *v1.Node {
	name := fmt.Sprintf("fake-%04d", i)
	room := v1.ResourceList{
		v1.ResourceCPU: resource.MustParse("4"), v1.ResourceMemory: resource.MustParse("32Gi"), v1.ResourcePods: resource.MustParse("110"),
	}
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			"fake": "yes", v1.LabelHostname: name, v1.LabelTopologyZone: "fake",
		}},
		Status: v1.NodeStatus{Capacity: room, Allocatable: room, Conditions: []v1.NodeCondition{{
			Type: v1.NodeReady, Status: v1.ConditionTrue, LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now(),
		}}},
	}
}

// fakePod is for fake nodes alone; without being the gate it wants to be near
// that.
func fakePod(name string, gate bool) *v1.Pod {
	now := int64(0)
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"fake": "yes"}},
		Spec: v1.PodSpec{
			NodeSelector: map[string]string{"fake": "yes"}, TerminationGracePeriodSeconds: &now,
			Tolerations: []v1.Toleration{{Operator: v1.TolerationOpExists}}, // a new node has a taint until its agent says Ready
			Containers: []v1.Container{{Name: "c", Image: "none", Resources: v1.ResourceRequirements{Requests: v1.ResourceList{
				v1.ResourceCPU: resource.MustParse("100m"), v1.ResourceMemory: resource.MustParse("500Mi"),
			}}}},
		},
	}
	if gate {
		pod.Labels[gateLabel] = "open"
		return pod
	}
	pod.Spec.Affinity = &v1.Affinity{PodAffinity: &v1.PodAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{{
			TopologyKey: v1.LabelTopologyZone, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{gateLabel: "open"}},
		}},
	}}
	return pod
}
