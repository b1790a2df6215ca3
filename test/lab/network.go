package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Space is a network namespace.
type Space struct{ handle netns.NsHandle }

// NewSpace makes one whose loopback is up.
func NewSpace() (*Space, error) {
	s := &Space{}
	err := onOwnThread(func() (err error) {
		if s.handle, err = netns.New(); err != nil {
			return fmt.Errorf("network namespace: %w", err)
		}
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return errors.Join(netlink.LinkSetUp(lo), os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644))
	})
	return s, err
}

// Close gives the namespace up; it goes with the last process in it.
func (s *Space) Close() error { return s.handle.Close() }

// Do runs f, and the programs that it starts, within the namespace.
func (s *Space) Do(f func() error) error {
	return onOwnThread(func() error {
		if err := netns.Set(s.handle); err != nil {
			return fmt.Errorf("enter network namespace: %w", err)
		}
		return f()
	})
}

// onOwnThread runs f on a thread whose namespace it may change, and puts that
// back: a thread that ended would take the programs with it that it started.
func onOwnThread(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := netns.Get()
		if err != nil {
			result <- err
			return
		}
		defer home.Close()
		err = f()
		if back := netns.Set(home); back != nil {
			result <- errors.Join(err, back) // the thread ends, locked as it is
			return
		}
		runtime.UnlockOSThread()
		result <- err
	}()
	return <-result
}

// Hub is what the hosts' cables end in: a switch for each network, and a router
// between them.
type Hub struct {
	*Space
	ports map[string]string // of the hub, by host
}

// HubAddress is the hub's on the network with that number.
func HubAddress(network int) string { return fmt.Sprintf("192.168.%d.254", network) }

// NewHub makes the switches of those networks.
func NewHub(networks ...int) (*Hub, error) {
	s, err := NewSpace()
	if err != nil {
		return nil, err
	}
	networks = slices.Clone(networks)
	h := &Hub{Space: s, ports: map[string]string{}}
	return h, s.Do(func() error {
		slices.Sort(networks)
		for _, n := range slices.Compact(networks) {
			attrs := netlink.NewLinkAttrs()
			attrs.Name = bridgeName(n)
			if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
				return err
			}
			if err := up(attrs.Name, HubAddress(n)+"/24"); err != nil {
				return err
			}
		}
		return nil
	})
}

func bridgeName(network int) string { return fmt.Sprintf("net%d", network) }

// up gives the link an address, unless that is empty, and switches it on.
func up(name, address string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if address != "" {
		parsed, err := netlink.ParseAddr(address)
		if err != nil {
			return err
		}
		if err := netlink.AddrReplace(link, parsed); err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(link)
}

// Plug connects a host by a cable to one of the hub's networks.
func (h *Hub) Plug(name string, host *Space, network int, address string) error {
	port := "to-" + name
	err := h.Do(func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = port
		cable := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(host.handle)}
		if err := netlink.LinkAdd(cable); err != nil {
			return fmt.Errorf("cable to %s: %w", name, err)
		}
		bridge, err := netlink.LinkByName(bridgeName(network))
		if err != nil {
			return err
		}
		if err := netlink.LinkSetMaster(cable, bridge); err != nil {
			return err
		}
		return up(port, "")
	})
	if err != nil {
		return err
	}
	h.ports[name] = port
	return host.Do(func() error {
		if err := up("eth0", address+"/24"); err != nil {
			return err
		}
		return netlink.RouteReplace(&netlink.Route{Gw: net.ParseIP(HubAddress(network)), Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}})
	})
}

// Cut takes a host off the network.
func (h *Hub) Cut(name string) error {
	return h.port(name, netlink.LinkSetDown)
}

// Mend puts back the cable that Cut took out.
func (h *Hub) Mend(name string) error {
	return h.port(name, netlink.LinkSetUp)
}

func (h *Hub) port(name string, change func(netlink.Link) error) error {
	return h.Do(func() error {
		link, err := netlink.LinkByName(h.ports[name])
		if err != nil {
			return err
		}
		return change(link)
	})
}
