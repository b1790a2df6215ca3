package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
)

// Network is the pods' network on one machine: a bridge that has the first
// address of the subnet.
type Network struct {
	// Bridge is the interface's name, at most 15 bytes.
	Bridge string
	// Subnet is this machine's part of the pods' addresses, as 10.244.0.0/24.
	Subnet netip.Prefix
	// Cluster is all pods' addresses. Package podnet translates what pods send
	// elsewhere: the plug-in would do so with what they send to other nodes' pods.
	Cluster netip.Prefix
	// Address is this machine's among other nodes; invalid where there are none.
	// The pods' packets fit into its link, in a tunnel too.
	Address netip.Addr
}

// tunnelled is what VXLAN adds to a packet, in bytes: the headers of Ethernet,
// IPv4, UDP and VXLAN.
const tunnelled = 14 + 20 + 8 + 8

// mtu is the size of the largest packets of pods, in bytes; 0 leaves it to the
// kernel. Nodes that need a tunnel may join at any time, and a pod's interface
// keeps what it begins with.
func (n Network) mtu() int {
	links, err := netlink.LinkList()
	if err != nil || !n.Address.IsValid() {
		return 0
	}
	for _, link := range links {
		addresses, _ := netlink.AddrList(link, netlink.FAMILY_V4) // a link that has just gone has none
		for _, a := range addresses {
			if a.IP.Equal(n.Address.AsSlice()) {
				return link.Attrs().MTU - tunnelled
			}
		}
	}
	return 0
}

// Gateway is the bridge's own address.
func (n Network) Gateway() netip.Addr { return n.Subnet.Masked().Addr().Next() }

// Setup makes the bridge with its address, if it is not there, and lets the
// kernel forward. It is there before the first pod, so that servers for pods
// can listen on it.
func (n Network) Setup() error {
	link, err := netlink.LinkByName(n.Bridge)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = n.Bridge
		if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
			return fmt.Errorf("make bridge %s: %w", n.Bridge, err)
		}
		link, err = netlink.LinkByName(n.Bridge)
	}
	if err != nil {
		return fmt.Errorf("bridge %s: %w", n.Bridge, err)
	}
	address := &netlink.Addr{IPNet: &net.IPNet{
		IP: n.Gateway().AsSlice(), Mask: net.CIDRMask(n.Subnet.Bits(), n.Subnet.Addr().BitLen()),
	}}
	if err := netlink.AddrReplace(link, address); err != nil {
		return fmt.Errorf("address %s of bridge %s: %w", n.Gateway(), n.Bridge, err)
	}
	if mtu := n.mtu(); mtu > 0 && mtu != link.Attrs().MTU {
		if err := netlink.LinkSetMTU(link, mtu); err != nil {
			return fmt.Errorf("packets of %d bytes on bridge %s: %w", mtu, n.Bridge, err)
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bridge %s: %w", n.Bridge, err)
	}
	return allowForwarding()
}

// Remove takes the bridge away.
func (n Network) Remove() error {
	link, err := netlink.LinkByName(n.Bridge)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("bridge %s: %w", n.Bridge, err)
	}
	return netlink.LinkDel(link)
}

func allowForwarding() error {
	const file = "/proc/sys/net/ipv4/ip_forward"
	if now, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(now)) == "1" {
		return nil
	}
	if err := os.WriteFile(file, []byte("1"), 0o644); err != nil {
		return fmt.Errorf("let the kernel forward between pods: %w", err)
	}
	return nil
}

// conflist is the network in CNI's format (https://www.cni.dev/docs/spec).
func (n Network) conflist(addresses string) ([]byte, error) {
	type object = map[string]any
	return json.MarshalIndent(object{
		"cniVersion": "1.0.0", "name": "pods",
		"plugins": []object{
			{
				"type": "bridge", "bridge": n.Bridge, "isGateway": true, "hairpinMode": true, "mtu": n.mtu(),
				"ipam": object{
					"type": "host-local", "dataDir": addresses,
					"ranges": [][]object{{{"subnet": n.Subnet.String(), "gateway": n.Gateway().String()}}},
					"routes": []object{{"dst": "0.0.0.0/0"}},
				},
			},
			{"type": "portmap", "backend": "nftables", "capabilities": object{"portMappings": true}},
			{"type": "bandwidth", "capabilities": object{"bandwidth": true}},
		},
	}, "", "  ")
}
