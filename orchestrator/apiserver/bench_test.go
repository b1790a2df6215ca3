package apiserver_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/lubberline/lubberline/orchestrator/apiserver/apitest"
)

// writers are how many requests are under way at once.
const writers = 16

// BenchmarkCreateAndBind creates b.N pods, then binds them to a node, each with
// protobuf through the in-process client, all filters and admission included.
func BenchmarkCreateAndBind(b *testing.B) {
	s := apitest.Start(b)
	c := apitest.Admin(b, s)
	prepare(b, c)
	b.Run("create", func(b *testing.B) {
		var n atomic.Int64
		parallel(b, func() error {
			_, err := c.CoreV1().Pods("default").Create(b.Context(), pod(fmt.Sprintf("p%d-%d", b.N, n.Add(1))), metav1.CreateOptions{})
			return err
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "creates/s")
	})
	b.Run("bind", func(b *testing.B) {
		var n atomic.Int64
		for i := range b.N {
			_, err := c.CoreV1().Pods("default").Create(b.Context(), pod(fmt.Sprintf("b%d-%d", b.N, i+1)), metav1.CreateOptions{})
			require.NoError(b, err)
		}
		b.ResetTimer()
		parallel(b, func() error {
			name := fmt.Sprintf("b%d-%d", b.N, n.Add(1))
			return c.CoreV1().Pods("default").Bind(b.Context(), &corev1.Binding{
				ObjectMeta: metav1.ObjectMeta{Name: name}, Target: corev1.ObjectReference{Kind: "Node", Name: "node"},
			}, metav1.CreateOptions{})
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "binds/s")
	})
}

func prepare(b *testing.B, c kubernetes.Interface) {
	b.Helper()
	_, err := c.CoreV1().ServiceAccounts("default").Create(b.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
	require.NoError(b, err)
	_, err = c.CoreV1().Nodes().Create(b.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"}}, metav1.CreateOptions{})
	require.NoError(b, err)
}

func pod(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "bench"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "busybox"}}},
	}
}

// parallel does b.N times f.
func parallel(b *testing.B, f func() error) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}
