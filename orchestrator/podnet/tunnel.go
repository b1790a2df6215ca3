package podnet

import (
	"bytes"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The tunnel is one device of the kernel; the frames of all nodes have the same
// number and port (VXLAN's own).
const (
	tunnelName   = "lubber.vxlan"
	tunnelNumber = 27765
	tunnelPort   = 4789
)

// tunnel makes the device that leads to the peers, or takes it away when there
// are none.
func (k *kernel) tunnel(peers []Peer) (device netlink.Link, changed int, err error) {
	device, err = netlink.LinkByName(tunnelName)
	if err != nil && !errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, 0, fmt.Errorf("tunnel: %w", err)
	}
	there := err == nil
	if len(peers) == 0 {
		if !there {
			return nil, 0, nil
		}
		if err := netlink.LinkDel(device); err != nil {
			return nil, 0, fmt.Errorf("remove tunnel: %w", err)
		}
		return nil, 1, nil
	}
	device, changed, err = k.ensureDevice(device, there)
	if err != nil {
		return nil, changed, fmt.Errorf("tunnel: %w", err)
	}
	n, err := setTunnelPeers(device.Attrs().Index, peers)
	return device, changed + n, err
}

// ensureDevice makes the device anew when it is not as wanted: most of it
// cannot be changed.
func (k *kernel) ensureDevice(device netlink.Link, there bool) (netlink.Link, int, error) {
	parent, err := k.parent()
	if err != nil {
		return nil, 0, err
	}
	wanted := k.device(parent)
	if have, ok := device.(*netlink.Vxlan); there && ok && k.isWanted(have, wanted) {
		return have, 0, nil
	}
	if there {
		if err := netlink.LinkDel(device); err != nil {
			return nil, 0, fmt.Errorf("remove %s: %w", tunnelName, err)
		}
	}
	if err := netlink.LinkAdd(wanted); err != nil {
		return nil, 0, fmt.Errorf("make %s: %w", tunnelName, err)
	}
	if device, err = netlink.LinkByName(tunnelName); err != nil {
		return nil, 1, err
	}
	own := &netlink.Addr{IPNet: &net.IPNet{IP: k.own.Masked().Addr().AsSlice(), Mask: net.CIDRMask(32, 32)}}
	if err := netlink.AddrReplace(device, own); err != nil {
		return nil, 1, fmt.Errorf("address %s: %w", own, err)
	}
	return device, 1, netlink.LinkSetUp(device)
}

func (k *kernel) device(parent int) *netlink.Vxlan {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = tunnelName, hardware(k.own)
	return &netlink.Vxlan{
		LinkAttrs: attrs, VxlanId: tunnelNumber, VtepDevIndex: parent, SrcAddr: k.address.AsSlice(), Port: tunnelPort, Learning: false,
	}
}

func (k *kernel) isWanted(have, wanted *netlink.Vxlan) bool {
	return have.VxlanId == wanted.VxlanId && have.VtepDevIndex == wanted.VtepDevIndex && have.SrcAddr.Equal(wanted.SrcAddr) &&
		have.Port == wanted.Port && bytes.Equal(have.HardwareAddr, wanted.HardwareAddr) && have.Flags&net.FlagUp != 0
}

// parent is the link that has this machine's address: it says how large frames
// may be.
func (k *kernel) parent() (int, error) {
	addresses, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return 0, fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addresses {
		if a.IP.Equal(k.address.AsSlice()) {
			return a.LinkIndex, nil
		}
	}
	return 0, fmt.Errorf("no link has this machine's address %s", k.address)
}

// setTunnelPeers tells the device where each peer's end is, so that nothing is
// ever asked by broadcast.
func setTunnelPeers(link int, peers []Peer) (changed int, err error) {
	ends, forwards := make(map[string]*netlink.Neigh), make(map[string]*netlink.Neigh)
	for _, p := range peers {
		mac := hardware(p.Pods)
		ends[p.gateway().String()] = &netlink.Neigh{
			LinkIndex: link, Family: netlink.FAMILY_V4, State: netlink.NUD_PERMANENT, IP: p.gateway().AsSlice(), HardwareAddr: mac,
		}
		forwards[mac.String()] = &netlink.Neigh{
			LinkIndex: link, Family: unix.AF_BRIDGE, State: netlink.NUD_PERMANENT, Flags: netlink.NTF_SELF,
			IP: p.Address.AsSlice(), HardwareAddr: mac,
		}
	}
	n, errEnds := setNeighbours(link, netlink.FAMILY_V4, ends, func(n *netlink.Neigh) string { return n.IP.String() })
	m, errForwards := setNeighbours(link, unix.AF_BRIDGE, forwards, func(n *netlink.Neigh) string { return n.HardwareAddr.String() })
	return n + m, errors.Join(errEnds, errForwards)
}
