package registry

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	netutils "k8s.io/utils/net"
)

// Why an address or port cannot be had, in Kubernetes' words.
var (
	errFull          = errors.New("range is full")
	errIPAllocated   = errors.New("provided IP is already allocated")
	errPortAllocated = errors.New("provided port is already allocated")
)

// serviceAddresses knows which cluster IPs and node ports services have. The
// services themselves are its record: it reads them when it is first asked and
// is told of every change after that. There must be one per store.
type serviceAddresses struct {
	network netip.Prefix
	ports   [2]int32

	mu     sync.Mutex // guards what follows
	loaded bool
	ips    map[netip.Addr]bool
	taken  map[int32]bool
}

func newServiceAddresses(e *Environment) *serviceAddresses {
	return &serviceAddresses{network: e.ServiceNetwork.Masked(), ports: e.NodePorts, ips: map[netip.Addr]bool{}, taken: map[int32]bool{}}
}

// claims are the addresses and ports that a service has or is to get.
type claims struct {
	ips   []netip.Addr
	ports []int32
}

// claimsOf are those that a service names.
func claimsOf(s *corev1.Service) (c claims) {
	if s.Spec.Type != corev1.ServiceTypeExternalName {
		for _, ip := range s.Spec.ClusterIPs {
			if a, ok := parseIP(ip); ok {
				c.ips = append(c.ips, a)
			}
		}
	}
	for _, p := range s.Spec.Ports {
		if p.NodePort != 0 {
			c.ports = append(c.ports, p.NodePort)
		}
	}
	if s.Spec.HealthCheckNodePort != 0 {
		c.ports = append(c.ports, s.Spec.HealthCheckNodePort)
	}
	return c
}

// parseIP reads an address as leniently as the API always has: with leading
// zeros.
func parseIP(text string) (netip.Addr, bool) {
	a, ok := netip.AddrFromSlice(netutils.ParseIPSloppy(text))
	return a.Unmap(), ok
}

// load reads what services have, once. The caller holds mu.
func (a *serviceAddresses) load(ctx context.Context, services rest.Lister) error {
	if a.loaded {
		return nil
	}
	list, err := services.List(request.WithNamespace(ctx, metav1.NamespaceAll), &metainternalversion.ListOptions{})
	if err != nil {
		return fmt.Errorf("addresses of services: %w", err)
	}
	err = meta.EachListItem(list, func(obj runtime.Object) error {
		if s, ok := obj.(*corev1.Service); ok {
			c := claimsOf(s)
			for _, ip := range c.ips {
				a.ips[ip] = true
			}
			for _, port := range c.ports {
				a.taken[port] = true
			}
		}
		return nil
	})
	a.loaded = err == nil
	return err
}

// release gives back addresses and ports.
func (a *serviceAddresses) release(c claims) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, ip := range c.ips {
		delete(a.ips, ip)
	}
	for _, port := range c.ports {
		delete(a.taken, port)
	}
}

// takeIP takes that very address. The caller holds mu.
func (a *serviceAddresses) takeIP(ip netip.Addr) error {
	if !a.network.Contains(ip) || ip == a.network.Addr() || ip == a.last() {
		return fmt.Errorf("the provided IP (%v) is not in the valid range. The range of valid IPs is %s", ip, a.network)
	}
	if a.ips[ip] {
		return errIPAllocated
	}
	a.ips[ip] = true
	return nil
}

// nextIP takes a free address: by preference not one of the first, which are
// for services that name theirs. The caller holds mu.
func (a *serviceAddresses) nextIP() (netip.Addr, error) {
	size := a.hosts()
	reserved := min(max(16, size/16), 256)
	if reserved >= size {
		reserved = 0
	}
	for _, band := range [][2]uint64{{reserved, size}, {0, reserved}} {
		ip, ok := pick(band[0], band[1], func(i uint64) (netip.Addr, bool) {
			ip := add(a.network.Addr(), i+1)
			return ip, !a.ips[ip]
		})
		if ok {
			a.ips[ip] = true
			return ip, nil
		}
	}
	return netip.Addr{}, errFull
}

// maxHosts bounds what is searched of large networks.
const maxHosts = 1 << 16

// hosts is how many addresses there are to give, without the network's own and
// the broadcast address.
func (a *serviceAddresses) hosts() uint64 {
	bits := a.network.Addr().BitLen() - a.network.Bits()
	if bits >= 16 {
		return maxHosts - 2
	}
	return max(uint64(1)<<bits, 2) - 2
}

func (a *serviceAddresses) last() netip.Addr {
	if a.network.Addr().Is6() {
		return netip.Addr{}
	}
	return add(a.network.Addr(), 1<<(32-a.network.Bits())-1)
}

// takePort takes that very node port. The caller holds mu.
func (a *serviceAddresses) takePort(port int32) error {
	if port < a.ports[0] || port > a.ports[1] {
		return fmt.Errorf("provided port is not in the valid range. The range of valid ports is %d-%d", a.ports[0], a.ports[1])
	}
	if a.taken[port] {
		return errPortAllocated
	}
	a.taken[port] = true
	return nil
}

// nextPort takes a free node port, the first ones last. The caller holds mu.
func (a *serviceAddresses) nextPort() (int32, error) {
	size := uint64(a.ports[1] - a.ports[0] + 1)
	reserved := min(max(16, size/32), 128)
	if reserved >= size {
		reserved = 0
	}
	for _, band := range [][2]uint64{{reserved, size}, {0, reserved}} {
		port, ok := pick(band[0], band[1], func(i uint64) (int32, bool) {
			port := a.ports[0] + int32(i)
			return port, !a.taken[port]
		})
		if ok {
			a.taken[port] = true
			return port, nil
		}
	}
	return 0, errFull
}

// pick tries all numbers from start up to end, beginning anywhere, so that what
// was just given back is not given again at once.
func pick[T any](start, end uint64, try func(uint64) (T, bool)) (none T, ok bool) {
	if end <= start {
		return none, false
	}
	offset := rand.Uint64N(end - start)
	for i := range end - start {
		if found, ok := try(start + (offset+i)%(end-start)); ok {
			return found, true
		}
	}
	return none, false
}

// add counts on from an address.
func add(ip netip.Addr, n uint64) netip.Addr {
	if ip.Is4() {
		b := ip.As4()
		binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+uint32(n))
		return netip.AddrFrom4(b)
	}
	b := ip.As16()
	binary.BigEndian.PutUint64(b[8:], binary.BigEndian.Uint64(b[8:])+n)
	return netip.AddrFrom16(b)
}
