package registry

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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

// Claims is where several API servers of one store agree on who has what. An
// owner is a service's UID.
type Claims interface {
	// Claim gives what nobody has to the owner, and returns who has it.
	Claim(ctx context.Context, key, owner string) (current string, err error)
	// Unclaim gives back what the owner has.
	Unclaim(ctx context.Context, key, owner string) error
	// Owners are all owners by their keys.
	Owners(ctx context.Context) (map[string]string, error)
}

// serviceAddresses knows which cluster IPs and node ports services have. The
// services themselves are its record: it reads them when it is first asked and
// is told of every change after that. Where there are other servers it asks the
// claims, and what it knows itself only saves questions.
type serviceAddresses struct {
	network netip.Prefix
	ports   [2]int32
	claims  Claims // nil where this is the store's only server

	mu     sync.Mutex // guards what follows
	loaded bool
	taken  map[string]bool // by the key of an address or port
	// suspects are claims without a service, by key, as the last repair saw them.
	suspects map[string]string
}

func newServiceAddresses(e *Environment) *serviceAddresses {
	return &serviceAddresses{network: e.ServiceNetwork.Masked(), ports: e.NodePorts, claims: e.Claims, taken: map[string]bool{}}
}

func ipKey(ip netip.Addr) string { return "ips/" + ip.String() }
func portKey(port int32) string  { return "ports/" + strconv.Itoa(int(port)) }
func (c claims) keys() (all []string) {
	for _, ip := range c.ips {
		all = append(all, ipKey(ip))
	}
	for _, port := range c.ports {
		all = append(all, portKey(port))
	}
	return all
}

// taking is one write's use of the addresses. The caller holds mu.
type taking struct {
	*serviceAddresses
	ctx   context.Context
	owner string
}

// take says whether it is the owner's now.
func (t taking) take(key string) (bool, error) {
	if t.claims == nil {
		if t.taken[key] {
			return false, nil
		}
		t.taken[key] = true
		return true, nil
	}
	current, err := t.claims.Claim(t.ctx, key, t.owner)
	if err != nil {
		return false, apierrors.NewInternalError(err)
	}
	t.taken[key] = true
	return current == t.owner, nil
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
	all, err := a.served(ctx, services)
	if err != nil {
		return err
	}
	for key, owner := range all {
		a.taken[key] = true
		if a.claims == nil {
			continue
		}
		if _, err := a.claims.Claim(ctx, key, owner); err != nil {
			return fmt.Errorf("addresses of services: %w", err)
		}
	}
	a.loaded = true
	return nil
}

// served are the owners of what services have.
func (a *serviceAddresses) served(ctx context.Context, services rest.Lister) (map[string]string, error) {
	list, err := services.List(request.WithNamespace(ctx, metav1.NamespaceAll), &metainternalversion.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("addresses of services: %w", err)
	}
	owners := map[string]string{}
	return owners, meta.EachListItem(list, func(obj runtime.Object) error {
		if s, ok := obj.(*corev1.Service); ok {
			for _, key := range claimsOf(s).keys() {
				owners[key] = string(s.UID)
			}
		}
		return nil
	})
}

// releaseTime bounds giving back claims.
const releaseTime = 5 * time.Second

// release gives back addresses and ports. Claims that cannot be given back now
// are found by repair.
func (a *serviceAddresses) release(c claims, owner string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), releaseTime)
	defer cancel()
	for _, key := range c.keys() {
		delete(a.taken, key)
		if a.claims != nil && a.claims.Unclaim(ctx, key, owner) != nil {
			return
		}
	}
}

// repair gives back claims that no service has had since the last repair: those
// of writes whose server ended before they did.
func (a *serviceAddresses) repair(ctx context.Context, services rest.Lister) error {
	if a.claims == nil {
		return nil
	}
	claimed, err := a.claims.Owners(ctx)
	if err != nil {
		return err
	}
	served, err := a.served(ctx, services)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.suspects
	a.suspects = map[string]string{}
	for key, owner := range claimed {
		switch {
		case served[key] == owner:
		case before[key] == owner:
			if err := a.claims.Unclaim(ctx, key, owner); err != nil {
				return err
			}
			delete(a.taken, key)
		default:
			a.suspects[key] = owner
		}
	}
	return nil
}

// takeIP takes that very address.
func (t taking) takeIP(ip netip.Addr) error {
	if !t.network.Contains(ip) || ip == t.network.Addr() || ip == t.last() {
		return fmt.Errorf("the provided IP (%v) is not in the valid range. The range of valid IPs is %s", ip, t.network)
	}
	if ok, err := t.take(ipKey(ip)); err != nil || !ok {
		return cmp.Or(err, errIPAllocated)
	}
	return nil
}

// nextIP takes a free address: by preference not one of the first, which are
// for services that name theirs.
func (t taking) nextIP() (netip.Addr, error) {
	size := t.hosts()
	return pick(t, [2]uint64{min(max(16, size/16), 256), size}, func(i uint64) (netip.Addr, string) {
		ip := add(t.network.Addr(), i+1)
		return ip, ipKey(ip)
	})
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

// takePort takes that very node port.
func (t taking) takePort(port int32) error {
	if port < t.ports[0] || port > t.ports[1] {
		return fmt.Errorf("provided port is not in the valid range. The range of valid ports is %d-%d", t.ports[0], t.ports[1])
	}
	if ok, err := t.take(portKey(port)); err != nil || !ok {
		return cmp.Or(err, errPortAllocated)
	}
	return nil
}

// nextPort takes a free node port, the first ones last.
func (t taking) nextPort() (int32, error) {
	size := uint64(t.ports[1] - t.ports[0] + 1)
	return pick(t, [2]uint64{min(max(16, size/32), 128), size}, func(i uint64) (int32, string) {
		port := t.ports[0] + int32(i)
		return port, portKey(port)
	})
}

// pick takes one of as many as the second number of bounds says, those before
// the first number last. It begins anywhere, so that what was just given back is
// not given again at once.
func pick[T any](t taking, bounds [2]uint64, at func(uint64) (T, string)) (none T, err error) {
	reserved, size := bounds[0], bounds[1]
	if reserved >= size {
		reserved = 0
	}
	for range 2 {
		for _, band := range [][2]uint64{{reserved, size}, {0, reserved}} {
			if found, ok, err := pickBetween(t, band[0], band[1], at); ok || err != nil {
				return found, err
			}
		}
		if t.claims == nil {
			break
		}
		clear(t.taken) // others may have given something back
	}
	return none, errFull
}

func pickBetween[T any](t taking, start, end uint64, at func(uint64) (T, string)) (none T, ok bool, err error) {
	if end <= start {
		return none, false, nil
	}
	offset := rand.Uint64N(end - start)
	for i := range end - start {
		found, key := at(start + (offset+i)%(end-start))
		if t.taken[key] {
			continue
		}
		if ok, err := t.take(key); ok || err != nil {
			return found, ok, err
		}
	}
	return none, false, nil
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
