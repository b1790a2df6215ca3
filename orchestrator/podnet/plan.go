package podnet

import (
	"cmp"
	"net"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Peer is another node as the kernel needs to know it.
type Peer struct {
	Node string
	// Pods are the addresses of the node's pods, Address is its own.
	Pods    netip.Prefix
	Address netip.Addr
}

// gateway is the address that stands for the peer's end of the tunnel: the
// range's own, which no pod has.
func (p Peer) gateway() netip.Addr { return p.Pods.Masked().Addr() }

// hardware is the hardware address of the end of a tunnel in front of those
// pods. It follows from their range, so that nobody has to be asked for it.
func hardware(pods netip.Prefix) net.HardwareAddr {
	address := pods.Masked().Addr().As4()
	return append(net.HardwareAddr{0x0a, 0x6c}, address[:]...)
}

// peersOf are the nodes that have both a range and an address, without ourselves.
// Where two nodes claim addresses, the older has them: a node may write its own
// object, and must not be able to take another's pods away.
func peersOf(self string, own netip.Prefix, nodes []*corev1.Node) []Peer {
	nodes = slices.Clone(nodes)
	slices.SortFunc(nodes, func(a, b *corev1.Node) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	taken := []netip.Prefix{own}
	var all []Peer
	for _, node := range nodes {
		pods, err := netip.ParsePrefix(node.Spec.PodCIDR)
		address := internalAddress(node)
		if node.Name == self || err != nil || !pods.Addr().Is4() || !address.Is4() {
			continue
		}
		if slices.ContainsFunc(taken, pods.Overlaps) {
			continue
		}
		taken = append(taken, pods)
		all = append(all, Peer{Node: node.Name, Pods: pods.Masked(), Address: address})
	}
	return all
}

func internalAddress(node *corev1.Node) netip.Addr {
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			if address, err := netip.ParseAddr(a.Address); err == nil {
				return address
			}
		}
	}
	return netip.Addr{}
}
