package apiserver

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

// serviceName is the Service by which pods find the API.
const serviceName = "kubernetes"

const servicePort = 443

// endpoint is where the API is behind its service.
type endpoint struct {
	clusterIP netip.Addr
	address   netip.AddrPort   // this server's
	all       []netip.AddrPort // of all servers that live, by address
}

// reachable are the servers that pods can reach: endpoints may not be loopback.
// All have the port of this one.
func (e endpoint) reachable() (all []netip.Addr) {
	for _, a := range e.all {
		if !a.Addr().IsLoopback() && a.Port() == e.address.Port() && a.Addr().Is4() == e.address.Addr().Is4() {
			all = append(all, a.Addr())
		}
	}
	return all
}

func (e endpoint) family() (corev1.IPFamily, discoveryv1.AddressType) {
	if e.address.Addr().Is6() {
		return corev1.IPv6Protocol, discoveryv1.AddressTypeIPv6
	}
	return corev1.IPv4Protocol, discoveryv1.AddressTypeIPv4
}

// reconcileKubernetesService makes the service, its endpoints and its slice,
// and sets them right when they are not.
func reconcileKubernetesService(ctx context.Context, c kubernetes.Interface, e endpoint) error {
	services := c.CoreV1().Services(metav1.NamespaceDefault)
	_, err := services.Get(ctx, serviceName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = services.Create(ctx, e.service(), metav1.CreateOptions{})
	}
	if expected(err) != nil {
		return fmt.Errorf("service %s: %w", serviceName, err)
	}
	if len(e.reachable()) == 0 {
		return nil
	}
	if err := reconcileEndpoints(ctx, c, e); err != nil {
		return fmt.Errorf("endpoints %s: %w", serviceName, err)
	}
	if err := reconcileSlice(ctx, c, e); err != nil {
		return fmt.Errorf("endpoint slice %s: %w", serviceName, err)
	}
	return nil
}

func (e endpoint) service() *corev1.Service {
	family, _ := e.family()
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name: serviceName, Namespace: metav1.NamespaceDefault,
			Labels: map[string]string{"component": "apiserver", "provider": "kubernetes"},
		},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: e.clusterIP.String(), ClusterIPs: []string{e.clusterIP.String()},
			IPFamilies: []corev1.IPFamily{family}, SessionAffinity: corev1.ServiceAffinityNone,
			Ports: []corev1.ServicePort{{
				Name: "https", Protocol: corev1.ProtocolTCP, Port: servicePort, TargetPort: intstr.FromInt32(int32(e.address.Port())),
			}},
		},
	}
}

func reconcileEndpoints(ctx context.Context, c kubernetes.Interface, e endpoint) error {
	all := c.CoreV1().Endpoints(metav1.NamespaceDefault)
	var addresses []corev1.EndpointAddress
	for _, a := range e.reachable() {
		addresses = append(addresses, corev1.EndpointAddress{IP: a.String()})
	}
	want := []corev1.EndpointSubset{{
		Addresses: addresses,
		Ports:     []corev1.EndpointPort{{Name: "https", Port: int32(e.address.Port()), Protocol: corev1.ProtocolTCP}},
	}}
	have, err := all.Get(ctx, serviceName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = all.Create(ctx, &corev1.Endpoints{
			// The label keeps the mirroring of endpoints to slices away: the slice is ours too.
			ObjectMeta: metav1.ObjectMeta{Name: serviceName, Labels: map[string]string{discoveryv1.LabelSkipMirror: "true"}},
			Subsets:    want,
		}, metav1.CreateOptions{})
	case err == nil && !equality.Semantic.DeepEqual(have.Subsets, want):
		have.Subsets = want
		_, err = all.Update(ctx, have, metav1.UpdateOptions{})
	}
	return err
}

func reconcileSlice(ctx context.Context, c kubernetes.Interface, e endpoint) error {
	all := c.DiscoveryV1().EndpointSlices(metav1.NamespaceDefault)
	_, family := e.family()
	var endpoints []discoveryv1.Endpoint
	for _, a := range e.reachable() {
		endpoints = append(endpoints, discoveryv1.Endpoint{
			Addresses: []string{a.String()}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)},
		})
	}
	ports := []discoveryv1.EndpointPort{{
		Name: ptr.To("https"), Port: ptr.To(int32(e.address.Port())), Protocol: ptr.To(corev1.ProtocolTCP),
	}}
	have, err := all.Get(ctx, serviceName, metav1.GetOptions{})
	if err == nil && have.AddressType != family { // which cannot be changed
		if err := all.Delete(ctx, serviceName, metav1.DeleteOptions{}); err != nil {
			return err
		}
		have, err = all.Get(ctx, serviceName, metav1.GetOptions{})
	}
	switch {
	case apierrors.IsNotFound(err):
		_, err = all.Create(ctx, &discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Name: serviceName, Labels: map[string]string{discoveryv1.LabelServiceName: serviceName}},
			AddressType: family, Endpoints: endpoints, Ports: ports,
		}, metav1.CreateOptions{})
	case err == nil && !(sameEndpoints(have.Endpoints, endpoints) && equality.Semantic.DeepEqual(have.Ports, ports)):
		have.Endpoints, have.Ports = endpoints, ports
		_, err = all.Update(ctx, have, metav1.UpdateOptions{})
	}
	return err
}

// sameEndpoints looks at what we set only: defaults may fill in more.
func sameEndpoints(a, b []discoveryv1.Endpoint) bool {
	return slices.EqualFunc(a, b, func(a, b discoveryv1.Endpoint) bool {
		return slices.Equal(a.Addresses, b.Addresses) && ptr.Deref(a.Conditions.Ready, false) == ptr.Deref(b.Conditions.Ready, false)
	})
}
