package proxy

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"sigs.k8s.io/knftables"

	"github.com/lubberline/lubberline/orchestrator/proxy/plan"
	"github.com/lubberline/lubberline/orchestrator/proxy/ruleset"
)

// Route is where an address leads, as the kernel has it.
type Route struct {
	Address  netip.AddrPort
	Protocol string // tcp, udp or sctp
	// Known is false when no service has the address: packets are not touched, or
	// refused where it is one that services may have.
	Known bool
	// NodePort says that it is this machine's port that leads to the service.
	NodePort bool
	// Action is what the kernel does first: the name of a chain that leads to the
	// endpoints, "refuse", or "drop".
	Action string
	// Endpoints are all that a connection may get, LocalEndpoints those that
	// clients from outside get where only this machine's may serve them.
	Endpoints, LocalEndpoints []netip.AddrPort
}

// String tells the route in a line.
func (r Route) String() string {
	what := fmt.Sprintf("%s/%s", r.Address, r.Protocol)
	switch {
	case !r.Known:
		return what + ": no service has it"
	case r.Action == plan.ChainRefuse:
		return what + ": refused, the service has no endpoints"
	case r.Action == "drop":
		return what + ": dropped, the service has endpoints on other machines only"
	}
	text := what + " -> " + join(r.Endpoints)
	if len(r.LocalEndpoints) > 0 {
		text += "; from outside -> " + join(r.LocalEndpoints)
	}
	return text + " (" + r.Action + ")"
}

func join(all []netip.AddrPort) string {
	texts := make([]string, len(all))
	for i, a := range all {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

// Trace reads from the kernel's table of this network namespace where ADDRESS:PORT
// leads. table is empty for the usual one; protocol is tcp, udp or sctp, empty is
// tcp.
func Trace(ctx context.Context, table, address, protocol string) (Route, error) {
	nft, err := ruleset.Open(cmp.Or(table, plan.TableName))
	if err != nil {
		return Route{}, err
	}
	return traceIn(ctx, nft, address, protocol, interfaceAddresses())
}

func traceIn(ctx context.Context, nft knftables.Interface, address, protocol string, local []netip.Addr) (Route, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return Route{}, fmt.Errorf("address %q: want ADDRESS:PORT", address)
	}
	to, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil || !to.Addr().Is4() {
		return Route{}, fmt.Errorf("address %q: want an IPv4 address and a port", address)
	}
	if protocol == "" {
		protocol = "tcp"
	}
	r := Route{Address: to, Protocol: strings.ToLower(protocol)}
	if !slices.Contains(plan.Protocols(), r.Protocol) {
		return Route{}, fmt.Errorf("protocol %q: want one of %s", protocol, strings.Join(plan.Protocols(), ", "))
	}
	return r, r.find(ctx, nft, slices.Contains(local, to.Addr()))
}

// Remove takes the table out of the kernel: no address leads to a service then.
// table is empty for the usual one.
func Remove(ctx context.Context, table string) error {
	nft, err := ruleset.Open(cmp.Or(table, plan.TableName))
	if err != nil {
		return err
	}
	return ruleset.Remove(ctx, nft)
}

// find looks the address up as a packet does: among services, and where it is
// this machine's among node ports.
func (r *Route) find(ctx context.Context, nft knftables.Interface, local bool) error {
	for _, nodePort := range []bool{false, true} {
		if nodePort && !local {
			break
		}
		name, key := plan.FrontendKey(r.Address, r.Protocol, nodePort)
		list, err := ruleset.List(ctx, nft, plan.MapElement, name)
		if err != nil {
			return err
		}
		for _, e := range list {
			if strings.Join(e.Key, " . ") == key {
				r.Known, r.NodePort, r.Action = true, nodePort, strings.TrimPrefix(strings.Join(e.Value, ""), "goto ")
				return r.findEndpoints(ctx, nft)
			}
		}
	}
	return nil
}

func (r *Route) findEndpoints(ctx context.Context, nft knftables.Interface) (err error) {
	if r.Action == plan.ChainRefuse || r.Action == "drop" {
		return nil
	}
	if r.Endpoints, err = r.endpointsIn(ctx, nft, false); err != nil {
		return err
	}
	if r.LocalEndpoints, err = r.endpointsIn(ctx, nft, true); err != nil || len(r.Endpoints) > 0 {
		return err
	}
	return r.findSticky(ctx, nft)
}

func (r *Route) endpointsIn(ctx context.Context, nft knftables.Interface, local bool) ([]netip.AddrPort, error) {
	name, key := plan.EndpointsKey(r.Address, r.Protocol, r.NodePort, local)
	list, err := ruleset.List(ctx, nft, plan.MapElement, name)
	if err != nil {
		return nil, err
	}
	var all []netip.AddrPort
	for _, e := range list {
		if strings.Join(e.Key[:len(e.Key)-1], " . ") != key || len(e.Value) != 2 {
			continue
		}
		if endpoint, err := netip.ParseAddrPort(e.Value[0] + ":" + e.Value[1]); err == nil {
			all = append(all, endpoint)
		}
	}
	slices.SortFunc(all, netip.AddrPort.Compare)
	return all, nil
}

// findSticky finds the endpoints of a service with session affinity by the names
// of their chains.
func (r *Route) findSticky(ctx context.Context, nft knftables.Interface) error {
	chains, err := nft.List(ctx, "chains")
	if err != nil {
		return fmt.Errorf("list chains: %w", err)
	}
	for _, chain := range chains {
		if endpoint, ok := plan.StickyEndpoint(r.Action, chain); ok {
			r.Endpoints = append(r.Endpoints, endpoint)
		}
	}
	slices.SortFunc(r.Endpoints, netip.AddrPort.Compare)
	return nil
}
