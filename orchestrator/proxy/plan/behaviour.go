package plan

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/utils/ptr"
)

// addInternal makes a cluster IP lead to the service.
func (sp *servicePort) addInternal(address netip.Addr, number uint16) {
	endpoints := sp.cluster
	if sp.localInternally() {
		endpoints = sp.local
	}
	verdict := sp.nobody()
	if len(endpoints) > 0 {
		name, pick := sp.pick(serviceSpace, endpoints, sp.localInternally(), false)
		outsiders := fmt.Sprintf("ip saddr != %s %s", sp.f.Pods, masquerade)
		verdict = "goto " + sp.p.chain(sp.prefix(serviceSpace)+"cluster-"+name, append([]string{outsiders}, pick...))
		sp.addEndpoints(serviceSpace, address, number, endpoints, false)
	}
	sp.addFrontend(serviceSpace, address, number, verdict)
}

// addExternal makes an address that clients outside of the cluster use lead to
// the service. With the policy Local they reach this machine's endpoints and
// these see the client's address; pods and this machine itself reach all.
func (sp *servicePort) addExternal(space keyspace, address netip.Addr, number uint16, sources []netip.Prefix) {
	verdict := sp.nobody()
	if len(sp.cluster) > 0 {
		name, rules := sp.external(space, sources)
		verdict = "goto " + sp.p.chain(sp.prefix(space)+name, rules)
		sp.addEndpoints(space, address, number, sp.cluster, false)
		if sp.localExternally() {
			sp.addEndpoints(space, address, number, sp.local, true)
		}
	}
	sp.addFrontend(space, address, number, verdict)
}

// prefix is that of the names of chains; empty where the chain is the port's own.
func (sp *servicePort) prefix(space keyspace) string {
	if sp.sticky != nil {
		return ""
	}
	return space.prefix + sp.protocol + "-"
}

// external is the name and the rules of what is done with clients from outside.
func (sp *servicePort) external(space keyspace, sources []netip.Prefix) (string, []string) {
	suffix, rules := limit(sources)
	name, pick := sp.pick(space, sp.cluster, false, false)
	if !sp.localExternally() {
		return "external-" + name + suffix, append(append(rules, masquerade), pick...)
	}
	here, pickHere := "0", []string{drop}
	if len(sp.local) > 0 {
		here, pickHere = sp.pick(space, sp.local, true, true)
	}
	const self = "fib saddr type local"
	return "local-" + name + "-" + here + suffix, slices.Concat(rules,
		when("ip saddr "+sp.f.Pods.String(), pick),
		when(self, append([]string{masquerade}, pick...)),
		pickHere)
}

// limit drops what comes from elsewhere than the sources. This machine itself is
// always let through.
func limit(sources []netip.Prefix) (suffix string, rules []string) {
	if len(sources) == 0 {
		return "", nil
	}
	list := make([]string, len(sources))
	for i, s := range sources {
		list[i] = s.String()
	}
	text := strings.Join(list, ", ")
	return "-from-" + Digest(text), []string{fmt.Sprintf("ip saddr != { %s } fib saddr type != local drop", text)}
}

// pick are the rules that send a packet to one of the endpoints, and a name for
// them that others which do the same share. second says that they are in the map
// of this machine's endpoints.
func (sp *servicePort) pick(space keyspace, endpoints []netip.AddrPort, local, second bool) (name string, rules []string) {
	if sp.sticky != nil {
		chain := sp.sticky.chain(endpoints, local)
		return strings.TrimPrefix(chain, stickyPrefix), []string{"goto " + chain}
	}
	return strconv.Itoa(len(endpoints)), space.choose(sp.protocol, len(endpoints), second)
}

// addEndpoints fills the map that choose reads.
func (sp *servicePort) addEndpoints(space keyspace, address netip.Addr, number uint16, endpoints []netip.AddrPort, local bool) {
	if sp.sticky != nil {
		return
	}
	key := space.endpointKey(address, number)
	for i, e := range endpoints {
		sp.p.add(Item{MapElement, space.endpoints(sp.protocol, local), key + " . " + strconv.Itoa(i)}, endpointValue(e))
	}
}

func endpointValue(e netip.AddrPort) string { return fmt.Sprintf("%s . %d", e.Addr(), e.Port()) }

func (sp *servicePort) addFrontend(space keyspace, address netip.Addr, number uint16, verdict string) {
	sp.p.add(Item{MapElement, space.services, space.frontend(address, sp.protocol, number)}, verdict)
	sp.p.Flows[Frontend{address, protocolOf(sp.port), number}] = sp.serving
}

// stickyPrefix begins the names of chains that remember clients, endpointPrefix
// those of the chains that they lead to.
const (
	stickyPrefix   = "sticky-"
	endpointPrefix = "endpoint-"
)

// sticky makes the chains of a port with session affinity. Each endpoint has a
// set of the clients that it had within the timeout.
type sticky struct {
	sp      *servicePort
	id      string
	timeout time.Duration
}

func (sp *servicePort) newSticky() *sticky {
	timeout := defaultAffinity
	if c := sp.s.Spec.SessionAffinityConfig; c != nil && c.ClientIP != nil && ptr.Deref(c.ClientIP.TimeoutSeconds, 0) > 0 {
		timeout = time.Duration(*c.ClientIP.TimeoutSeconds) * time.Second
	}
	id := Digest(fmt.Sprint(sp.s.Namespace, "/", sp.s.Name, "/", sp.port.Name, "/", sp.protocol, "/", timeout))
	return &sticky{sp: sp, id: id, timeout: timeout}
}

// chain sends known clients where they have been before, and others anywhere.
func (st *sticky) chain(endpoints []netip.AddrPort, local bool) string {
	var rules, choices []string
	for i, e := range endpoints {
		set, to := st.endpoint(e)
		rules = append(rules, fmt.Sprintf("ip saddr @%s goto %s", set, to))
		choices = append(choices, fmt.Sprintf("%d : goto %s", i, to))
	}
	rules = append(rules, fmt.Sprintf("numgen random mod %d vmap { %s }", len(endpoints), strings.Join(choices, " , ")))
	name := stickyPrefix + st.id
	if local {
		name += "-local"
	}
	return st.sp.p.chain(name, rules)
}

// endpoint makes an endpoint's set and the chain that leads there.
func (st *sticky) endpoint(e netip.AddrPort) (set, chain string) {
	name := fmt.Sprintf("%s-%s-%d", st.id, e.Addr(), e.Port())
	set, chain = "clients-"+name, endpointPrefix+name
	st.sp.p.add(Item{Kind: AffinitySet, Name: set}, st.timeout.String())
	st.sp.p.chain(chain, []string{
		fmt.Sprintf("update @%s { ip saddr }", set),
		fmt.Sprintf("meta l4proto %s dnat ip to %s", st.sp.protocol, e),
	})
	return set, chain
}

// Digest is a short name for a text.
func Digest(text string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // never fails
	return strconv.FormatUint(h.Sum64(), 36)
}
