package app

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
)

// TestTermLeavesNothing: the next term begins on the same informers and
// registry, and the handlers of the one before hear nothing more.
func TestTermLeavesNothing(t *testing.T) {
	client := fake.NewClientset()
	shared := informers.NewSharedInformerFactory(client, 0)
	registry := prometheus.NewPedanticRegistry()
	told := map[int]chan string{}
	var before *term
	for n := range 3 {
		now := newTerm(shared, registry)
		require.NoError(t, now.registerer.Register(prometheus.NewGauge(prometheus.GaugeOpts{Name: "a"})))
		heard := make(chan string, 10)
		told[n] = heard
		generic, err := now.informers.ForResource(corev1.SchemeGroupVersion.WithResource("pods"))
		require.NoError(t, err)
		for _, informer := range []cache.SharedIndexInformer{now.informers.Core().V1().Pods().Informer(), generic.Informer()} {
			_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(o any) { heard <- o.(*corev1.Pod).Name }})
			require.NoError(t, err)
		}
		shared.Start(t.Context().Done())
		name := string(rune('a' + n))
		_, err = client.CoreV1().Pods("default").Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		require.NoError(t, err)
		for range 2 * (n + 1) { // all that are there, by both handlers
			require.LessOrEqual(t, <-heard, name)
		}
		require.NoError(t, now.end())
		if before != nil {
			require.Empty(t, told[n-1], "a term that has ended hears nothing")
		}
		before = now
	}
}
