package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"
)

// Of is what a service with those slices wants of the table. A service that the
// proxy does not serve (headless, ExternalName, another proxy's, IPv6) wants
// nothing.
func (f Facts) Of(s *corev1.Service, endpoints []*discoveryv1.EndpointSlice) *Plan {
	p := &Plan{
		Items: map[Item]string{}, Flows: map[Frontend][]netip.AddrPort{},
		Precedence: s.CreationTimestamp.UTC().Format(time.RFC3339) + " " + s.Namespace + "/" + s.Name,
	}
	if !serves(s) {
		return p
	}
	addresses := f.addressesOf(p, s)
	for i := range s.Spec.Ports {
		sp := f.port(p, s, &s.Spec.Ports[i], endpoints)
		if !known(sp.protocol) {
			p.problem(fmt.Sprintf("port %d: unknown protocol %q", sp.port.Port, sp.protocol))
			continue
		}
		sp.add(addresses)
	}
	return p
}

func known(protocol string) bool { return slices.Contains(protocols, protocol) }

func serves(s *corev1.Service) bool {
	_, others := s.Labels[labelProxyName]
	return !others && s.Spec.Type != corev1.ServiceTypeExternalName && s.Spec.ClusterIP != "" && s.Spec.ClusterIP != corev1.ClusterIPNone
}

// labelProxyName says that another proxy has the service.
const labelProxyName = "service.kubernetes.io/service-proxy-name"

// addresses lead to a service from within and from without.
type addresses struct {
	cluster            []netip.Addr
	external, balancer []netip.Addr
	nodePort           bool
	sources            []netip.Prefix // that the balancer's addresses take; all when empty
}

func (f Facts) addressesOf(p *Plan, s *corev1.Service) addresses {
	a := addresses{
		cluster:  parse4(append([]string{s.Spec.ClusterIP}, s.Spec.ClusterIPs...)),
		external: parse4(s.Spec.ExternalIPs),
		nodePort: s.Spec.Type == corev1.ServiceTypeNodePort || s.Spec.Type == corev1.ServiceTypeLoadBalancer,
	}
	if s.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return a
	}
	for _, ingress := range s.Status.LoadBalancer.Ingress {
		if ptr.Deref(ingress.IPMode, corev1.LoadBalancerIPModeVIP) == corev1.LoadBalancerIPModeVIP {
			a.balancer = append(a.balancer, parse4([]string{ingress.IP})...)
		}
	}
	a.sources = sourcesOf(p, s.Spec.LoadBalancerSourceRanges)
	return a
}

// sourcesOf are the networks, without those that are part of others: a set in
// the kernel may not overlap.
func sourcesOf(p *Plan, texts []string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			p.problem(fmt.Sprintf("loadBalancerSourceRanges: %q: not a network", text))
		} else if prefix.Addr().Is4() {
			all = append(all, prefix.Masked())
		}
	}
	slices.SortFunc(all, func(a, b netip.Prefix) int {
		return cmp.Or(cmp.Compare(a.Bits(), b.Bits()), a.Addr().Compare(b.Addr()))
	})
	var apart []netip.Prefix
	for _, prefix := range all {
		if !slices.ContainsFunc(apart, func(wider netip.Prefix) bool { return wider.Overlaps(prefix) }) {
			apart = append(apart, prefix)
		}
	}
	if len(apart) > 0 && apart[0].Bits() == 0 {
		return nil // everywhere is no limit
	}
	return apart
}

// parse4 keeps the IPv4 addresses, each once.
func parse4(texts []string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil && a.Is4() && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

// servicePort is one port of a service while it is planned.
type servicePort struct {
	f        Facts
	p        *Plan
	s        *corev1.Service
	port     *corev1.ServicePort
	protocol string

	all            []endpoint
	cluster, local []netip.AddrPort // usable ones
	serving        []netip.AddrPort // also those that leave
	sticky         *sticky          // nil without session affinity
}

func (f Facts) port(p *Plan, s *corev1.Service, port *corev1.ServicePort, slices []*discoveryv1.EndpointSlice) *servicePort {
	sp := &servicePort{f: f, p: p, s: s, port: port, protocol: strings.ToLower(string(protocolOf(port)))}
	sp.all = f.endpointsOf(p, port, slices)
	sp.cluster, sp.local = usable(sp.all, anywhere), usable(sp.all, onHere)
	for _, e := range sp.all {
		if isServing(e) {
			sp.serving = append(sp.serving, e.to)
		}
	}
	if s.Spec.SessionAffinity == corev1.ServiceAffinityClientIP {
		sp.sticky = sp.newSticky()
	}
	return sp
}

func (sp *servicePort) add(a addresses) {
	number := uint16(sp.port.Port)
	for _, address := range a.cluster {
		sp.addInternal(address, number)
	}
	for _, address := range a.external {
		sp.addExternal(serviceSpace, address, number, nil)
	}
	for _, address := range a.balancer {
		sp.addExternal(serviceSpace, address, number, a.sources)
	}
	if a.nodePort && sp.port.NodePort != 0 {
		sp.addExternal(nodePortSpace, netip.Addr{}, uint16(sp.port.NodePort), nil)
	}
	for _, e := range sp.all {
		if sp.f.LocalPods.Contains(e.to.Addr()) {
			sp.p.add(Item{SetElement, SetHairpin, e.to.Addr().String() + " . " + e.to.Addr().String()}, "")
		}
	}
	sp.addHealth()
}

func (sp *servicePort) addHealth() {
	if sp.s.Spec.Type == corev1.ServiceTypeLoadBalancer && sp.localExternally() && sp.s.Spec.HealthCheckNodePort != 0 {
		h := &Health{Port: uint16(sp.s.Spec.HealthCheckNodePort)}
		if sp.p.Health != nil {
			h = sp.p.Health
		}
		ready := map[netip.Addr]bool{}
		for _, e := range sp.all {
			if e.local && e.ready {
				ready[e.to.Addr()] = true
			}
		}
		h.LocalEndpoints = max(h.LocalEndpoints, len(ready))
		sp.p.Health = h
	}
}

func (sp *servicePort) localInternally() bool {
	return ptr.Deref(sp.s.Spec.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster) == corev1.ServiceInternalTrafficPolicyLocal
}

func (sp *servicePort) localExternally() bool {
	return sp.s.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
}

// nobody is what happens where no endpoint may be used: without any anywhere the
// client hears of it; with some on other machines only, it is left to try those.
func (sp *servicePort) nobody() string {
	if len(sp.cluster) == 0 {
		return refuse
	}
	return drop
}
