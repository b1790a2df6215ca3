package cluster

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// space is a network namespace.
type space struct{ handle netns.NsHandle }

// newSpace makes one whose loopback is up.
func newSpace() (*space, error) {
	s := &space{}
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

// do runs f, and the programs that it starts, within the namespace.
func (s *space) do(f func() error) error {
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

// hub is what the hosts' cables end in: a switch with three ports, or a router
// with two networks.
type hub struct {
	*space
	ports map[string]string // of the hub, by host
}

// address of the hub on the network with that number.
func hubAddress(network int) string { return fmt.Sprintf("192.168.%d.254", network) }

func newHub(networks ...int) (*hub, error) {
	s, err := newSpace()
	if err != nil {
		return nil, err
	}
	h := &hub{space: s, ports: map[string]string{}}
	return h, s.do(func() error {
		for _, n := range networks {
			attrs := netlink.NewLinkAttrs()
			attrs.Name = bridgeName(n)
			if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
				return err
			}
			if err := up(attrs.Name, hubAddress(n)+"/24"); err != nil {
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

// plug connects a host by a cable to one of the hub's networks.
func (h *hub) plug(name string, host *space, network int, address string) error {
	port := "to-" + name
	err := h.do(func() error {
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
	return host.do(func() error {
		if err := up("eth0", address+"/24"); err != nil {
			return err
		}
		return netlink.RouteReplace(&netlink.Route{Gw: net.ParseIP(hubAddress(network)), Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}})
	})
}

// cut takes a host off the network; mend brings it back.
func (h *hub) cut(name string) error {
	return h.port(name, netlink.LinkSetDown)
}

func (h *hub) mend(name string) error {
	return h.port(name, netlink.LinkSetUp)
}

func (h *hub) port(name string, change func(netlink.Link) error) error {
	return h.do(func() error {
		link, err := netlink.LinkByName(h.ports[name])
		if err != nil {
			return err
		}
		return change(link)
	})
}
