package registry

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

// completeService fills in what a client may leave out: the address of an
// update, the list of addresses of a single one. It takes away what belonged
// to the service's old type, if the client did not change it. old is nil for a
// new service.
func completeService(s, old *corev1.Service) {
	if old == nil {
		if s.Spec.ClusterIP != "" && len(s.Spec.ClusterIPs) == 0 {
			s.Spec.ClusterIPs = []string{s.Spec.ClusterIP}
		}
		return
	}
	keepAllocated(s, old)
	alignClusterIPs(s, old)
	dropOfOldType(s, old)
}

// keepAllocated takes from old the addresses and ports that the client leaves
// out, so that the same manifest can be sent again.
func keepAllocated(s, old *corev1.Service) {
	if hasClusterIP(old) && hasClusterIP(s) {
		if s.Spec.ClusterIP == "" {
			s.Spec.ClusterIP = old.Spec.ClusterIP
		}
		if len(s.Spec.ClusterIPs) == 0 {
			s.Spec.ClusterIPs = slices.Clone(old.Spec.ClusterIPs)
		}
	}
	if needsNodePort(old) && needsNodePort(s) {
		keepNodePorts(s, old)
	}
	if validation.NeedsHealthCheck(old) && validation.NeedsHealthCheck(s) && s.Spec.HealthCheckNodePort == 0 {
		s.Spec.HealthCheckNodePort = old.Spec.HealthCheckNodePort
	}
}

// keepNodePorts goes by the ports' names; a number that the client gives to
// another port is not kept.
func keepNodePorts(s, old *corev1.Service) {
	used, before := nodePorts(s), map[string]int32{}
	for _, p := range old.Spec.Ports {
		before[p.Name] = p.NodePort
	}
	for i := range s.Spec.Ports {
		p := &s.Spec.Ports[i]
		if n := before[p.Name]; p.NodePort == 0 && !slices.Contains(used, n) {
			p.NodePort = n
		}
	}
}

// alignClusterIPs lets a client that knows only the single address change it.
func alignClusterIPs(s, old *corev1.Service) {
	if s.Spec.ClusterIP == old.Spec.ClusterIP || !slices.Equal(s.Spec.ClusterIPs, old.Spec.ClusterIPs) {
		return
	}
	s.Spec.ClusterIPs = nil
	if s.Spec.ClusterIP != "" {
		s.Spec.ClusterIPs = []string{s.Spec.ClusterIP}
	}
}

func dropOfOldType(s, old *corev1.Service) {
	if hasClusterIP(old) && !hasClusterIP(s) {
		if s.Spec.ClusterIP == old.Spec.ClusterIP && slices.Equal(s.Spec.ClusterIPs, old.Spec.ClusterIPs) {
			s.Spec.ClusterIP, s.Spec.ClusterIPs = "", nil
		}
		if slices.Equal(s.Spec.IPFamilies, old.Spec.IPFamilies) {
			s.Spec.IPFamilies = nil
		}
		if ptr.Equal(s.Spec.IPFamilyPolicy, old.Spec.IPFamilyPolicy) {
			s.Spec.IPFamilyPolicy = nil
		}
	}
	if needsNodePort(old) && !needsNodePort(s) && len(lost(claims{ports: nodePorts(s)}, claims{ports: nodePorts(old)}).ports) == 0 {
		for i := range s.Spec.Ports {
			s.Spec.Ports[i].NodePort = 0
		}
	}
	if validation.NeedsHealthCheck(old) && !validation.NeedsHealthCheck(s) && s.Spec.HealthCheckNodePort == old.Spec.HealthCheckNodePort {
		s.Spec.HealthCheckNodePort = 0
	}
	if old.Spec.Type == corev1.ServiceTypeLoadBalancer && s.Spec.Type != corev1.ServiceTypeLoadBalancer {
		if ptr.Equal(s.Spec.AllocateLoadBalancerNodePorts, old.Spec.AllocateLoadBalancerNodePorts) {
			s.Spec.AllocateLoadBalancerNodePorts = nil
		}
		if ptr.Equal(s.Spec.LoadBalancerClass, old.Spec.LoadBalancerClass) {
			s.Spec.LoadBalancerClass = nil
		}
	}
	if validation.IsExternallyAccessible(old) && !validation.IsExternallyAccessible(s) && s.Spec.ExternalTrafficPolicy == old.Spec.ExternalTrafficPolicy {
		s.Spec.ExternalTrafficPolicy = ""
	}
}

func hasClusterIP(s *corev1.Service) bool { return s.Spec.Type != corev1.ServiceTypeExternalName }

func needsNodePort(s *corev1.Service) bool {
	return s.Spec.Type == corev1.ServiceTypeNodePort || s.Spec.Type == corev1.ServiceTypeLoadBalancer
}

func nodePorts(s *corev1.Service) (ports []int32) {
	for _, p := range s.Spec.Ports {
		if p.NodePort != 0 {
			ports = append(ports, p.NodePort)
		}
	}
	return ports
}

// setFamilies sets the policy on families of addresses and the families, as
// far as the client leaves them open, and refuses what the one network of this
// cluster cannot give.
func (h *serviceHooks) setFamilies(s, old *corev1.Service) error {
	if !hasClusterIP(s) {
		return nil
	}
	free := s.Spec.ClusterIP == corev1.ClusterIPNone && len(s.Spec.Selector) == 0
	if s.Spec.IPFamilyPolicy == nil {
		s.Spec.IPFamilyPolicy = ptr.To(defaultPolicy(old, free))
	}
	if errs := validation.ValidateServiceClusterIPs(s, old); len(errs) > 0 {
		return apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Service").GroupKind(), s.Name, errs)
	}
	if errs := h.inferFamilies(s); len(errs) > 0 {
		return invalidService(s, errs...)
	}
	own := h.family()
	if len(s.Spec.IPFamilies) == 0 {
		s.Spec.IPFamilies = []corev1.IPFamily{own}
	}
	if free {
		// Whoever makes the endpoints by hand may use both families.
		if len(s.Spec.IPFamilies) < 2 && *s.Spec.IPFamilyPolicy != corev1.IPFamilyPolicySingleStack {
			s.Spec.IPFamilies = append(s.Spec.IPFamilies, other(s.Spec.IPFamilies[0]))
		}
		return nil
	}
	var errs field.ErrorList
	if *s.Spec.IPFamilyPolicy == corev1.IPFamilyPolicyRequireDualStack {
		errs = append(errs, field.Invalid(field.NewPath("spec", "ipFamilyPolicy"), s.Spec.IPFamilyPolicy,
			"this cluster is not configured for dual-stack services"))
	}
	for i, family := range s.Spec.IPFamilies {
		if family != own {
			errs = append(errs, field.Invalid(field.NewPath("spec", "ipFamilies").Index(i), family, "not configured on this cluster"))
		}
	}
	if len(errs) > 0 {
		return invalidService(s, errs...)
	}
	return nil
}

func defaultPolicy(old *corev1.Service, free bool) corev1.IPFamilyPolicy {
	switch {
	case old != nil && old.Spec.IPFamilyPolicy != nil:
		return *old.Spec.IPFamilyPolicy
	case free:
		return corev1.IPFamilyPolicyRequireDualStack
	}
	return corev1.IPFamilyPolicySingleStack
}

// inferFamilies sets the families of the addresses that the client names.
func (h *serviceHooks) inferFamilies(s *corev1.Service) (errs field.ErrorList) {
	policy := field.NewPath("spec", "ipFamilyPolicy")
	const dual = "must be 'RequireDualStack' or 'PreferDualStack' when multiple "
	if *s.Spec.IPFamilyPolicy == corev1.IPFamilyPolicySingleStack {
		if len(s.Spec.ClusterIPs) == 2 {
			errs = append(errs, field.Invalid(policy, s.Spec.IPFamilyPolicy, dual+"cluster IPs are specified"))
		}
		if len(s.Spec.IPFamilies) == 2 {
			errs = append(errs, field.Invalid(policy, s.Spec.IPFamilyPolicy, dual+"IP families are specified"))
		}
	}
	for i, ip := range s.Spec.ClusterIPs {
		if ip == corev1.ClusterIPNone || i < len(s.Spec.IPFamilies) {
			continue
		}
		family := corev1.IPv4Protocol
		if netutils.IsIPv6String(ip) {
			family = corev1.IPv6Protocol
		}
		if family != h.family() {
			errs = append(errs, field.Invalid(field.NewPath("spec", "clusterIPs").Index(i), s.Spec.ClusterIPs,
				fmt.Sprintf("%s is not configured on this cluster", family)))
			continue
		}
		s.Spec.IPFamilies = append(s.Spec.IPFamilies, family)
	}
	return errs
}

// family is that of the cluster's one network.
func (h *serviceHooks) family() corev1.IPFamily {
	if h.addresses.network.Addr().Is6() {
		return corev1.IPv6Protocol
	}
	return corev1.IPv4Protocol
}

func other(family corev1.IPFamily) corev1.IPFamily {
	if family == corev1.IPv4Protocol {
		return corev1.IPv6Protocol
	}
	return corev1.IPv4Protocol
}
