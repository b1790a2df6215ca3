package podnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// protocol marks our routes: only those are changed.
const protocol netlink.RouteProtocol = 108

// kernel is what this machine's kernel is told. It is used by one goroutine.
type kernel struct {
	pods    netip.Prefix // all nodes'
	own     netip.Prefix
	address netip.Addr
}

// result is how the peers are reached.
type result struct {
	direct, tunnels, unreachable int
	changes                      int
}

// watch has wake called when a link, an address or a route changes: the kernel
// drops routes with the link that they lead over.
func (k *kernel) watch(ctx context.Context, wake func()) error {
	links, addresses, routes := make(chan netlink.LinkUpdate), make(chan netlink.AddrUpdate), make(chan netlink.RouteUpdate)
	err := errors.Join(
		netlink.LinkSubscribe(links, ctx.Done()), netlink.AddrSubscribe(addresses, ctx.Done()), netlink.RouteSubscribe(routes, ctx.Done()))
	go follow(links, wake)
	go follow(addresses, wake)
	go follow(routes, wake)
	return err
}

// follow ends when the subscription does.
func follow[T any](changes <-chan T, wake func()) {
	for range changes {
		wake()
	}
}

// apply makes the kernel reach the peers, and no others. What one of them
// prevents is done for the rest.
func (k *kernel) apply(peers []Peer) (r result, err error) {
	var errs []error
	var wanted []*netlink.Route
	var tunnelled []Peer
	for _, p := range peers {
		link, direct, err := k.way(p.Address)
		switch {
		case err != nil:
			r.unreachable++
			errs = append(errs, fmt.Errorf("node %s: %w", p.Node, err))
		case direct:
			r.direct++
			wanted = append(wanted, k.route(p, link, p.Address, 0))
		default:
			r.tunnels++
			tunnelled = append(tunnelled, p)
		}
	}
	device, changed, err := k.tunnel(tunnelled)
	r.changes += changed
	if err != nil {
		errs = append(errs, err)
	}
	if device != nil {
		for _, p := range tunnelled {
			wanted = append(wanted, k.route(p, device.Attrs().Index, p.gateway(), int(netlink.FLAG_ONLINK)))
		}
	}
	changed, err = k.replaceRoutes(wanted)
	r.changes += changed
	return r, errors.Join(append(errs, err)...)
}

// way finds out how the kernel sends to a node: by a link that both are on, or
// through a router.
func (k *kernel) way(node netip.Addr) (link int, direct bool, err error) {
	found, err := netlink.RouteGet(node.AsSlice())
	if err != nil {
		return 0, false, fmt.Errorf("route to %s: %w", node, err)
	}
	if len(found) == 0 {
		return 0, false, fmt.Errorf("no route to %s", node)
	}
	return found[0].LinkIndex, found[0].Gw == nil, nil
}

func (k *kernel) route(p Peer, link int, gateway netip.Addr, flags int) *netlink.Route {
	return &netlink.Route{
		Dst: network(p.Pods), LinkIndex: link, Gw: gateway.AsSlice(), Protocol: protocol, Flags: flags, Table: unix.RT_TABLE_MAIN,
	}
}

func network(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// replaceRoutes makes our routes to pods those, and returns how many it changed.
func (k *kernel) replaceRoutes(wanted []*netlink.Route) (changed int, err error) {
	have, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Protocol: protocol, Table: unix.RT_TABLE_MAIN},
		netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
	if err != nil {
		return 0, fmt.Errorf("list routes: %w", err)
	}
	byNetwork := make(map[string]*netlink.Route)
	for i := range have {
		if have[i].Dst == nil || !k.pods.Contains(netip.AddrFrom4([4]byte(have[i].Dst.IP.To4()))) {
			continue // of another cluster on this machine
		}
		byNetwork[have[i].Dst.String()] = &have[i]
	}
	var errs []error
	for _, w := range wanted {
		key := w.Dst.String()
		now, ok := byNetwork[key]
		delete(byNetwork, key)
		if ok && now.LinkIndex == w.LinkIndex && now.Gw.Equal(w.Gw) {
			continue
		}
		if err := netlink.RouteReplace(w); err != nil {
			errs = append(errs, fmt.Errorf("route to %s via %s: %w", key, w.Gw, err))
			continue
		}
		changed++
	}
	for key, old := range byNetwork {
		if err := netlink.RouteDel(old); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("remove route to %s: %w", key, err))
			continue
		}
		changed++
	}
	return changed, errors.Join(errs...)
}

// setNeighbours makes the permanent neighbours of a link those, by key.
func setNeighbours(link, family int, wanted map[string]*netlink.Neigh, key func(*netlink.Neigh) string) (changed int, err error) {
	have, err := netlink.NeighList(link, family)
	if err != nil {
		return 0, fmt.Errorf("list neighbours: %w", err)
	}
	missing := make(map[string]*netlink.Neigh, len(wanted))
	for k, n := range wanted {
		missing[k] = n
	}
	var errs []error
	for i := range have {
		k := key(&have[i])
		if w, ok := wanted[k]; ok && w.IP.Equal(have[i].IP) && bytes.Equal(w.HardwareAddr, have[i].HardwareAddr) {
			delete(missing, k)
			continue
		}
		if have[i].State&netlink.NUD_PERMANENT == 0 {
			continue
		}
		if err := netlink.NeighDel(&have[i]); err != nil && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("remove neighbour %s: %w", have[i].IP, err))
		}
		changed++
	}
	for _, n := range missing {
		if err := netlink.NeighSet(n); err != nil {
			errs = append(errs, fmt.Errorf("neighbour %s: %w", n.IP, err))
			continue
		}
		changed++
	}
	return changed, errors.Join(errs...)
}
