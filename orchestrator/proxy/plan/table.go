package plan

import (
	"fmt"
	"strings"
)

// Names in the table.
const (
	// TableName is the name of the one table that is ours, where there is only one
	// cluster on a machine.
	TableName = "lubberline"

	// MapServices tells by address, protocol and port what is done with a packet.
	MapServices = "services"
	// MapNodePorts tells it by protocol and port, for the addresses of this machine.
	MapNodePorts = "node-ports"
	// SetHairpin holds the addresses that may turn out to be their own endpoint.
	SetHairpin = "hairpin"

	// ChainRefuse answers that there is nobody.
	ChainRefuse = "refuse"

	// Mark is the bit of a packet that leaves with this machine's address.
	Mark = "0x4000"
)

// keyspace is one way to find a service: its own maps and the fields of a packet
// that are their key.
type keyspace struct {
	prefix   string // of the names of its chains and of its maps of endpoints
	services string // the map that is looked up first, by fields
	fields   string
	types    string
	address  string // the key's part that is before the port, where there is one
}

// The two spaces, in the order in which a packet is looked up.
var (
	serviceSpace = keyspace{
		services: MapServices, fields: "ip daddr . meta l4proto . th dport", types: "ipv4_addr . inet_proto . inet_service",
		address: "ip daddr . ",
	}
	nodePortSpace = keyspace{
		prefix: "node-port-", services: MapNodePorts, fields: "meta l4proto . th dport", types: "inet_proto . inet_service",
	}
)

// protocols that ports have. Each has maps of endpoints of its own: nft up to
// 1.0.6 understands the type of a port that it reads back only with its protocol.
var protocols = []string{"tcp", "udp", "sctp"}

// endpoints is the map of all endpoints, or of this machine's.
func (s keyspace) endpoints(protocol string, local bool) string {
	if local {
		protocol += "-local"
	}
	return s.prefix + protocol + "-endpoints"
}

// choice is the key of that map, with the type of one below n.
func (s keyspace) choice(protocol string, n int) string {
	return fmt.Sprintf("%s%s dport . numgen random mod %d", s.address, protocol, n)
}

// choose are the rules that send a packet to one of n endpoints. It may come in
// the moment of a change, find the service as it was and its endpoints as they
// are: the one chosen may be gone then, and the first takes its place. A packet
// must never pass as it is, since the kernel would treat the rest of the
// connection likewise: it is dropped, and the client sends it again.
func (s keyspace) choose(protocol string, n int, local bool) []string {
	to := func(n int) string {
		return fmt.Sprintf("dnat ip to %s map @%s", s.choice(protocol, n), s.endpoints(protocol, local))
	}
	return []string{to(n), to(1), drop}
}

// when are the rules for the packets that the condition holds for.
func when(condition string, rules []string) []string {
	all := make([]string, len(rules))
	for i, rule := range rules {
		all[i] = condition + " " + rule
	}
	return all
}

// MapSpec is a map of the table.
type MapSpec struct{ Name, Type, TypeOf string }

// Maps are those that the table has whatever the services.
func Maps() []MapSpec {
	var all []MapSpec
	for _, s := range []keyspace{serviceSpace, nodePortSpace} {
		all = append(all, MapSpec{Name: s.services, Type: s.types + " : verdict"})
		for _, protocol := range protocols {
			typeOf := fmt.Sprintf("%s : ip daddr . %s dport", s.choice(protocol, 2), protocol)
			all = append(all, MapSpec{Name: s.endpoints(protocol, false), TypeOf: typeOf}, MapSpec{Name: s.endpoints(protocol, true), TypeOf: typeOf})
		}
	}
	return all
}

// Hook is where a chain is attached.
type Hook struct{ Type, Hook, Priority string }

// ChainSpec is a chain that the table has whatever the services.
type ChainSpec struct {
	Name  string
	Base  *Hook // nil when others jump to it
	Rules []string
}

// Chains are those that the table has whatever the services.
func (f Facts) Chains() []ChainSpec {
	return []ChainSpec{
		// A connection that has nobody ends here, before any other hook sees it.
		{Name: ChainRefuse, Rules: []string{"meta l4proto tcp reject with tcp reset", "reject"}},
		{Name: "dispatch", Rules: f.dispatch()},
		{Name: "prerouting", Base: &Hook{"nat", "prerouting", "dstnat"}, Rules: []string{"jump dispatch"}},
		{Name: "output", Base: &Hook{"nat", "output", "dstnat"}, Rules: []string{"jump dispatch"}},
		{Name: "postrouting", Base: &Hook{"nat", "postrouting", "srcnat"}, Rules: f.postrouting()},
	}
}

// dispatch finds the service of a packet. It looks twice: before Linux 6.17 a
// look-up in the moment in which an element is replaced may find neither.
func (f Facts) dispatch() []string {
	service := serviceSpace.fields + " vmap @" + MapServices
	nodePort := "fib daddr type local ip daddr != 127.0.0.0/8 " + nodePortSpace.fields + " vmap @" + MapNodePorts
	here := fmt.Sprintf("ip daddr %s ", f.Services)
	return []string{service, nodePort, nodePort, here + service, here + refuse}
}

// postrouting gives connections this machine's address where the answer would
// not come back otherwise.
func (f Facts) postrouting() []string {
	rules := []string{
		fmt.Sprintf("meta mark & %[1]s == %[1]s meta mark set meta mark ^ %[1]s masquerade fully-random", Mark),
		"ct status dnat ip saddr . ip daddr @" + SetHairpin + " masquerade",
	}
	if f.TranslateLocal {
		rules = append(rules, fmt.Sprintf("ct status dnat ip saddr %[1]s ip daddr %[1]s masquerade", f.LocalPods))
	}
	return rules
}

func joinRules(rules []string) string { return strings.Join(rules, "\n") }

// Rules are those of a chain's value.
func Rules(value string) []string {
	if value == "" {
		return nil
	}
	return strings.Split(value, "\n")
}
