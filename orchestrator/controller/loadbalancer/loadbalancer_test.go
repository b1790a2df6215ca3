package loadbalancer

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"

	"github.com/lubberline/lubberline/orchestrator/controller/controllertest"
)

// TestServicesShareAPool runs it on a real API server.
func TestServicesShareAPool(t *testing.T) {
	cluster := controllertest.Start(t)
	events := record.NewFakeRecorder(100)
	c, err := New(Options{Client: cluster.Client, Informers: cluster.Informers, Events: events, Pool: pool[1:], Logger: cluster.Logger})
	require.NoError(t, err)
	cluster.Run(t, c)
	services := cluster.Client.CoreV1().Services("default")
	create := func(name string) {
		_, err := services.Create(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, Ports: []corev1.ServicePort{{Port: 80}},
		}}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	has := func(name, address string) {
		t.Helper()
		require.Eventually(t, func() bool {
			s, err := services.Get(t.Context(), name, metav1.GetOptions{})
			require.NoError(t, err)
			in := s.Status.LoadBalancer.Ingress
			return address == "" && len(in) == 0 || len(in) == 1 && in[0].IP == address
		}, controllertest.Wait, controllertest.Tick)
	}
	create("first")
	has("first", "198.51.100.1")
	require.Equal(t, "Normal EnsuredLoadBalancer Ensured load balancer", <-events.Events)
	create("second")
	require.Equal(t, "Warning AddressPoolEmpty All addresses of the pool [198.51.100.1/32] are in use", <-events.Events)
	has("second", "")
	_, err = services.Patch(t.Context(), "first", types.MergePatchType, []byte(`{"spec":{"type":"ClusterIP"}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	has("second", "198.51.100.1")
	has("first", "")
	require.NoError(t, services.Delete(t.Context(), "second", metav1.DeleteOptions{}))
	_, err = services.Patch(t.Context(), "first", types.MergePatchType, []byte(`{"spec":{"type":"LoadBalancer","loadBalancerIP":"198.51.100.1"}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	has("first", "198.51.100.1")
}
