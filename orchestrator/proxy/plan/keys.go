package plan

import (
	"net/netip"
	"strconv"
	"strings"
)

// Protocols are those that services may have.
func Protocols() []string { return protocols }

// FrontendKey is the map and the key that tell what is done with packets to an
// address. protocol is in lower case.
func FrontendKey(to netip.AddrPort, protocol string, nodePort bool) (name, key string) {
	s := space(nodePort)
	return s.services, s.frontend(to.Addr(), protocol, to.Port())
}

// EndpointsKey is the map that holds the endpoints and their key, without its
// last field: a number from 0.
func EndpointsKey(to netip.AddrPort, protocol string, nodePort, local bool) (name, key string) {
	s := space(nodePort)
	return s.endpoints(protocol, local), s.endpointKey(to.Addr(), to.Port())
}

func space(nodePort bool) keyspace {
	if nodePort {
		return nodePortSpace
	}
	return serviceSpace
}

func (s keyspace) frontend(address netip.Addr, protocol string, port uint16) string {
	return s.in(address, protocol+" . "+strconv.Itoa(int(port)))
}

func (s keyspace) endpointKey(address netip.Addr, port uint16) string {
	return s.in(address, strconv.Itoa(int(port)))
}

func (s keyspace) in(address netip.Addr, key string) string {
	if s.address == "" {
		return key
	}
	return address.String() + " . " + key
}

// StickyEndpoint is the endpoint that a chain leads to, when it is one of those
// that action, the name of a chain, chooses from.
func StickyEndpoint(action, chain string) (netip.AddrPort, bool) {
	rest, ok := strings.CutPrefix(chain, endpointPrefix)
	if !ok {
		return netip.AddrPort{}, false
	}
	id, rest, _ := strings.Cut(rest, "-")
	address, port, _ := strings.Cut(rest, "-")
	endpoint, err := netip.ParseAddrPort(address + ":" + port)
	return endpoint, err == nil && strings.Contains("-"+action+"-", "-"+id+"-")
}
