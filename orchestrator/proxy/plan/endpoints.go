package plan

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"
)

// endpoint is one address of a service's port.
type endpoint struct {
	to                          netip.AddrPort
	ready, serving, terminating bool
	local                       bool // on this machine
}

func (e endpoint) isReady() bool   { return e.ready }
func (e endpoint) isLeaving() bool { return e.serving && e.terminating }

// endpointsOf are the port's endpoints in order, each once.
func (f Facts) endpointsOf(p *Plan, port *corev1.ServicePort, all []*discoveryv1.EndpointSlice) []endpoint {
	found := map[netip.AddrPort]endpoint{}
	for _, slice := range all {
		if slice.AddressType != discoveryv1.AddressTypeIPv4 {
			continue
		}
		for i := range slice.Ports {
			if number, ok := matches(&slice.Ports[i], port); ok {
				f.collect(p, slice, number, found)
			}
		}
	}
	list := make([]endpoint, 0, len(found))
	for _, e := range found {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b endpoint) int { return a.to.Compare(b.to) })
	return list
}

func matches(have *discoveryv1.EndpointPort, want *corev1.ServicePort) (uint16, bool) {
	number := ptr.Deref(have.Port, 0)
	ok := number > 0 && number < 1<<16 && ptr.Deref(have.Name, "") == want.Name &&
		ptr.Deref(have.Protocol, corev1.ProtocolTCP) == protocolOf(want)
	return uint16(number), ok
}

// collect adds a slice's endpoints. One that is in several slices is as good as
// the best of them says.
func (f Facts) collect(p *Plan, slice *discoveryv1.EndpointSlice, port uint16, found map[netip.AddrPort]endpoint) {
	for i := range slice.Endpoints {
		have := &slice.Endpoints[i]
		if len(have.Addresses) == 0 {
			continue
		}
		address, err := netip.ParseAddr(have.Addresses[0])
		if err != nil || !address.Is4() {
			p.problem(fmt.Sprintf("endpoint %q of %s: not an IPv4 address", have.Addresses[0], slice.Name))
			continue
		}
		if f.Services.Contains(address) {
			p.problem(fmt.Sprintf("endpoint %s of %s is a service's address: services cannot lead to services", address, slice.Name))
			continue
		}
		e := f.endpoint(have, netip.AddrPortFrom(address, port))
		if before, twice := found[e.to]; twice {
			e.ready, e.serving, e.local = e.ready || before.ready, e.serving || before.serving, e.local || before.local
			e.terminating = e.terminating && before.terminating
		}
		found[e.to] = e
	}
}

func (f Facts) endpoint(have *discoveryv1.Endpoint, to netip.AddrPort) endpoint {
	ready := ptr.Deref(have.Conditions.Ready, true)
	return endpoint{
		to: to, ready: ready,
		serving:     ptr.Deref(have.Conditions.Serving, ready),
		terminating: ptr.Deref(have.Conditions.Terminating, false),
		local:       have.NodeName != nil && *have.NodeName == f.Node,
	}
}

// usable are the ready ones, or where none is the ones that still serve while
// they end.
func usable(all []endpoint, keep func(endpoint) bool) []netip.AddrPort {
	for _, good := range []func(endpoint) bool{endpoint.isReady, endpoint.isLeaving} {
		var chosen []netip.AddrPort
		for _, e := range all {
			if keep(e) && good(e) {
				chosen = append(chosen, e.to)
			}
		}
		if len(chosen) > 0 {
			return chosen
		}
	}
	return nil
}

func anywhere(endpoint) bool    { return true }
func onHere(e endpoint) bool    { return e.local }
func isServing(e endpoint) bool { return e.ready || e.serving }

func protocolOf(p *corev1.ServicePort) corev1.Protocol {
	if p.Protocol == "" {
		return corev1.ProtocolTCP
	}
	return p.Protocol
}
