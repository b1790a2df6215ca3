package driver_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/lubberline/lubberline/orchestrator/apiserver/apitest"
)

func priorityClass(name string, value int32) *schedulingv1.PriorityClass {
	return &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Value: value}
}

// BenchmarkBinds has 5,000 pods waiting in a real API server, and measures
// from the scheduler's start until all are bound.
func BenchmarkBinds(b *testing.B) {
	for _, nodes := range []int{100, 1000, 5000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			var took time.Duration
			const pods = 5000
			for range b.N {
				took += bindAll(b, nodes, pods)
			}
			b.ReportMetric(float64(pods*b.N)/took.Seconds(), "binds/s")
		})
	}
}

func bindAll(b *testing.B, nodes, pods int) time.Duration {
	server := apitest.Start(b)
	c := newCluster(b, server)
	inParallel(nodes, func(i int) { c.node(fmt.Sprintf("node-%d", i), "16") })
	inParallel(pods, func(i int) { benchPod(b, c.client, i) })
	start := time.Now()
	c.run(server)
	require.Eventually(b, func() bool { return c.events.count("Normal Scheduled") == pods }, 5*time.Minute, 5*time.Millisecond)
	return time.Since(start)
}

func benchPod(b *testing.B, client kubernetes.Interface, i int) {
	controller := true
	app := fmt.Sprintf("app-%d", i%10)
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "default", Name: fmt.Sprintf("pod-%d", i), Labels: map[string]string{"app": app},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ReplicationController", Name: app, UID: "uid", Controller: &controller}},
	}}
	pod.Spec.Containers = []v1.Container{{Name: "c", Image: "image:1", Resources: v1.ResourceRequirements{Requests: v1.ResourceList{
		v1.ResourceCPU: resource.MustParse("100m"), v1.ResourceMemory: resource.MustParse("64Mi"),
	}}}}
	_, err := client.CoreV1().Pods("default").Create(b.Context(), pod, metav1.CreateOptions{})
	require.NoError(b, err)
}

func inParallel(n int, f func(int)) {
	var running sync.WaitGroup
	next := make(chan int)
	for range 16 {
		running.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	running.Wait()
}
