package loadbalancer

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// addressOf is the address of the pool that a service has, as the cache shows it.
func (c *Controller) addressOf(s *corev1.Service) netip.Addr {
	for _, in := range s.Status.LoadBalancer.Ingress {
		if address, err := netip.ParseAddr(in.IP); err == nil && c.inPool(address) {
			return address
		}
	}
	return netip.Addr{}
}

func (c *Controller) inPool(address netip.Addr) bool {
	return slices.ContainsFunc(c.o.Pool, func(p netip.Prefix) bool { return p.Contains(address) })
}

// fromPool is the address that the service has, or that it wishes for, or the
// first that is free. Where two have the same, after a change of leaders, the
// older keeps it. mu is held.
func (c *Controller) fromPool(s *corev1.Service) (netip.Addr, *problem) {
	used := c.usedByOthers(s)
	take := func(address netip.Addr) (netip.Addr, *problem) {
		c.given[s.UID] = address
		return address, nil
	}
	if text := cmp.Or(s.Spec.LoadBalancerIP, s.Annotations[AddressAnnotation]); text != "" {
		wish, err := netip.ParseAddr(text)
		switch {
		case err != nil || !c.inPool(wish) || !hasFamily(s, wish):
			return netip.Addr{}, &problem{"AddressNotInPool", fmt.Sprintf("Address %q is not one of the pool %v", text, c.o.Pool)}
		case used[wish] != "":
			return netip.Addr{}, &problem{"AddressAllocated", fmt.Sprintf("Address %s is that of service %s already", wish, used[wish])}
		}
		return take(wish)
	}
	for _, has := range []netip.Addr{c.given[s.UID], c.addressOf(s)} {
		if has.IsValid() && used[has] == "" && hasFamily(s, has) {
			return take(has)
		}
	}
	for _, prefix := range c.o.Pool {
		for address := prefix.Masked().Addr(); prefix.Contains(address) && hasFamily(s, address); address = address.Next() {
			if used[address] == "" {
				return take(address)
			}
		}
	}
	return netip.Addr{}, &problem{"AddressPoolEmpty", fmt.Sprintf("All addresses of the pool %v are in use", c.o.Pool)}
}

// usedByOthers has the names of the services by their addresses. What was given
// holds for both; what only the cache shows does not bind a service that is
// older.
func (c *Controller) usedByOthers(s *corev1.Service) map[netip.Addr]string {
	used := map[netip.Addr]string{}
	mine := c.addressOf(s)
	for _, other := range c.ours() {
		if other.UID == s.UID {
			continue
		}
		name := other.Namespace + "/" + other.Name
		if has := c.addressOf(other); has.IsValid() && (has != mine || compareAge(other, s) < 0) {
			used[has] = name
		}
		if given, ok := c.given[other.UID]; ok && (given != mine || compareAge(other, s) < 0) {
			used[given] = name
		}
	}
	for uid, given := range c.given {
		if _, known := used[given]; !known && uid != s.UID && given != mine {
			used[given] = string(uid)
		}
	}
	return used
}
