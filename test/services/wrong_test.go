package services

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/test/services/press"
)

// wrong asks for what cannot be, while others use their service.
func (c *cluster) wrong() {
	c.unnoticed("wrong services", func() {
		c.refused("address out of range", "The range of valid IPs is", func(s *corev1.Service) { s.Spec.ClusterIP = "10.9.9.9" })
		c.refused("node port out of range", "The range of valid ports is 30000-32767", func(s *corev1.Service) {
			s.Spec.Type, s.Spec.Ports[0].NodePort = corev1.ServiceTypeNodePort, 80
		})
		first := c.create("first", func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeNodePort })
		c.refused("clashing node ports", "provided port is already allocated", func(s *corev1.Service) {
			s.Spec.Type, s.Spec.Ports[0].NodePort = corev1.ServiceTypeNodePort, first.Spec.Ports[0].NodePort
		})
		c.refused("clashing addresses", "provided IP is already allocated", func(s *corev1.Service) { s.Spec.ClusterIP = first.Spec.ClusterIP })
		c.loop()
		require.NoError(c.t, c.client.CoreV1().Services("default").Delete(c.t.Context(), "first", metav1.DeleteOptions{}))
	})
}

func (c *cluster) create(name string, change func(*corev1.Service)) *corev1.Service {
	c.t.Helper()
	s := service(name)
	change(s)
	made, err := c.client.CoreV1().Services("default").Create(c.t.Context(), s, metav1.CreateOptions{})
	require.NoError(c.t, err)
	return made
}

func (c *cluster) refused(what, want string, change func(*corev1.Service)) {
	c.t.Helper()
	s := service("wrong")
	change(s)
	_, err := c.client.CoreV1().Services("default").Create(c.t.Context(), s, metav1.CreateOptions{})
	require.ErrorContains(c.t, err, want, what)
	c.t.Logf("%s: %v", what, err)
}

// loop makes a service whose endpoint is the service itself: whoever asks it is
// refused or waits in vain, and nothing else is disturbed.
func (c *cluster) loop() {
	s := c.create("loop", func(s *corev1.Service) { s.Spec.Selector = nil })
	_, err := c.client.DiscoveryV1().EndpointSlices("default").Create(c.t.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: "loop", Labels: map[string]string{discoveryv1.LabelServiceName: "loop"}},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{s.Spec.ClusterIP}}},
		Ports: []discoveryv1.EndpointPort{{Port: ptr.To[int32](80), Name: new("")}},
	}, metav1.CreateOptions{})
	require.NoError(c.t, err)
	client := press.Client()
	client.Timeout = time.Second
	c.until("it cannot be reached", func(context.Context) error {
		if err := press.Get(&client, "http://"+s.Spec.ClusterIP); err != nil {
			c.t.Logf("the loop: %v", err)
			return nil
		}
		return fmt.Errorf("%s answers", s.Spec.ClusterIP)
	})
	c.until("its owner is told", func(ctx context.Context) error {
		list, err := c.client.CoreV1().Events("default").List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=loop"})
		if err != nil {
			return err
		}
		for _, e := range list.Items {
			if strings.Contains(e.Message, s.Spec.ClusterIP) {
				c.t.Logf("the loop's event: %s: %s", e.Reason, e.Message)
				return nil
			}
		}
		return fmt.Errorf("events %v", list.Items)
	})
	require.NoError(c.t, c.client.CoreV1().Services("default").Delete(c.t.Context(), "loop", metav1.DeleteOptions{}))
}
