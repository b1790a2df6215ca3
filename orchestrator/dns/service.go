package dns

import (
	"context"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

// The Service by which pods reach this server. Its ports have these names
// everywhere.
const (
	serviceName      = "kube-dns"
	serviceNamespace = metav1.NamespaceSystem
	servicePort      = 53
	managedBy        = "lubberline"
)

// keepService watches the Service and what stands behind it, and sets them
// right at start and whenever they change.
func (s *Server) keepService() (err error) {
	core := s.o.Informers.Core().V1()
	watched := []cache.SharedIndexInformer{
		core.Services().Informer(), core.Endpoints().Informer(), s.o.Informers.Discovery().V1().EndpointSlices().Informer(),
	}
	caches := []reconcile.Cache{core.Namespaces().Informer()}
	for _, w := range watched {
		caches = append(caches, w)
	}
	s.service, err = reconcile.New(reconcile.Options{
		Name: "dns", Workers: 1, Caches: caches, Logger: s.o.Logger, Registerer: s.o.Registerer,
		Reconcile: s.reconcileService,
	})
	if err != nil {
		return err
	}
	for _, w := range watched {
		_, err := w.AddEventHandler(cache.FilteringResourceEventHandler{FilterFunc: isOurs, Handler: reconcile.Handler(func(old, current metav1.Object) {
			s.service.Add(serviceName)
		})})
		if err != nil {
			return err
		}
	}
	s.service.Add(serviceName)
	return nil
}

func isOurs(obj any) bool {
	if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	o, ok := obj.(metav1.Object)
	return ok && o.GetNamespace() == serviceNamespace && o.GetName() == serviceName
}

func (s *Server) reconcileService(ctx context.Context, _ string) error {
	if err := s.setService(ctx); err != nil {
		return fmt.Errorf("service %s: %w", serviceName, err)
	}
	if behind := s.behind(); len(behind) > 0 {
		if err := s.setEndpoints(ctx, behind); err != nil {
			return fmt.Errorf("endpoints %s: %w", serviceName, err)
		}
		if err := s.setSlice(ctx, behind); err != nil {
			return fmt.Errorf("endpoint slice %s: %w", serviceName, err)
		}
	}
	s.isReady.Do(func() { close(s.ready) })
	return nil
}

// ServersChanged has the Service lead to the servers that there are now.
func (s *Server) ServersChanged() { s.service.Add(serviceName) }

// behind are the servers' addresses that a pod can reach. All have the port of
// the first: endpoints do not have one each.
func (s *Server) behind() []netip.AddrPort {
	servers := s.Addresses()
	if s.o.Servers != nil {
		servers = s.o.Servers()
	}
	var all []netip.AddrPort
	for _, a := range servers {
		reachable := !a.Addr().IsLoopback() && a.Addr().Is4() == s.o.ServiceIP.Is4()
		if reachable && (len(all) == 0 || a.Port() == all[0].Port()) {
			all = append(all, a)
		}
	}
	return all
}

func (s *Server) port() uint16 { return s.sockets[0].address.Port() }

func (s *Server) wantedService() *corev1.Service {
	target := intstr.FromInt32(int32(s.port()))
	family := corev1.IPv4Protocol
	if s.o.ServiceIP.Is6() {
		family = corev1.IPv6Protocol
	}
	ip := s.o.ServiceIP.String()
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: serviceName, Namespace: serviceNamespace, Labels: map[string]string{
			"k8s-app": serviceName, "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS",
		}},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: ip, ClusterIPs: []string{ip}, IPFamilies: []corev1.IPFamily{family},
			Ports: []corev1.ServicePort{
				{Name: "dns", Protocol: corev1.ProtocolUDP, Port: servicePort, TargetPort: target},
				{Name: "dns-tcp", Protocol: corev1.ProtocolTCP, Port: servicePort, TargetPort: target},
			},
		},
	}
}

func (s *Server) setService(ctx context.Context) error {
	services, want := s.o.Client.CoreV1().Services(serviceNamespace), s.wantedService()
	have, err := services.Get(ctx, serviceName, metav1.GetOptions{})
	if err == nil && have.Spec.ClusterIP != want.Spec.ClusterIP { // which cannot be changed
		if err := services.Delete(ctx, serviceName, metav1.DeleteOptions{}); err != nil {
			return err
		}
		have, err = services.Get(ctx, serviceName, metav1.GetOptions{})
	}
	switch {
	case apierrors.IsNotFound(err):
		_, err = services.Create(ctx, want, metav1.CreateOptions{})
	case err == nil && !(equality.Semantic.DeepEqual(have.Spec.Ports, want.Spec.Ports) && len(have.Spec.Selector) == 0 && have.Spec.Type == want.Spec.Type):
		have.Spec.Ports, have.Spec.Selector, have.Spec.Type = want.Spec.Ports, nil, want.Spec.Type
		_, err = services.Update(ctx, have, metav1.UpdateOptions{})
	}
	return err
}

func (s *Server) setEndpoints(ctx context.Context, behind []netip.AddrPort) error {
	all := s.o.Client.CoreV1().Endpoints(serviceNamespace)
	var addresses []corev1.EndpointAddress
	for _, a := range behind {
		addresses = append(addresses, corev1.EndpointAddress{IP: a.Addr().String()})
	}
	port := int32(behind[0].Port())
	want := []corev1.EndpointSubset{{Addresses: addresses, Ports: []corev1.EndpointPort{
		{Name: "dns", Port: port, Protocol: corev1.ProtocolUDP}, {Name: "dns-tcp", Port: port, Protocol: corev1.ProtocolTCP},
	}}}
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

func (s *Server) setSlice(ctx context.Context, behind []netip.AddrPort) error {
	all, want := s.o.Client.DiscoveryV1().EndpointSlices(serviceNamespace), wantedSlice(behind)
	have, err := all.Get(ctx, serviceName, metav1.GetOptions{})
	if err == nil && have.AddressType != want.AddressType { // which cannot be changed
		if err := all.Delete(ctx, serviceName, metav1.DeleteOptions{}); err != nil {
			return err
		}
		have, err = all.Get(ctx, serviceName, metav1.GetOptions{})
	}
	switch {
	case apierrors.IsNotFound(err):
		_, err = all.Create(ctx, want, metav1.CreateOptions{})
	case err == nil && !(equality.Semantic.DeepEqual(have.Endpoints, want.Endpoints) &&
		equality.Semantic.DeepEqual(have.Ports, want.Ports) && have.Labels[discoveryv1.LabelServiceName] == serviceName):
		have.Endpoints, have.Ports = want.Endpoints, want.Ports
		metav1.SetMetaDataLabel(&have.ObjectMeta, discoveryv1.LabelServiceName, serviceName)
		_, err = all.Update(ctx, have, metav1.UpdateOptions{})
	}
	return err
}

func wantedSlice(behind []netip.AddrPort) *discoveryv1.EndpointSlice {
	family := discoveryv1.AddressTypeIPv4
	if behind[0].Addr().Is6() {
		family = discoveryv1.AddressTypeIPv6
	}
	port := int32(behind[0].Port())
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: serviceName, Labels: map[string]string{
			discoveryv1.LabelServiceName: serviceName, discoveryv1.LabelManagedBy: managedBy,
		}},
		AddressType: family,
		Ports: []discoveryv1.EndpointPort{
			{Name: ptr.To("dns"), Port: &port, Protocol: ptr.To(corev1.ProtocolUDP)},
			{Name: ptr.To("dns-tcp"), Port: &port, Protocol: ptr.To(corev1.ProtocolTCP)},
		},
	}
	for _, a := range behind {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{a.Addr().String()}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)},
		})
	}
	return slice
}
