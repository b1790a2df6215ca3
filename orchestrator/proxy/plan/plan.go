// Package plan says what the kernel's table of services must hold. It is pure:
// services and their endpoint slices in, items of the table out.
//
// A packet to a service costs two look-ups, whatever the number of services: one
// finds what is done with the address, the other, with a random number below the
// count of endpoints, the endpoint. Services without session affinity have no
// chains of their own: what is done has one chain for all services that do the
// same, as "tcp-cluster-2" for two endpoints.
package plan

import (
	"cmp"
	"net/netip"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Kind is what an item is.
type Kind uint8

// The kinds, in the order in which they are made: later ones use earlier ones.
const (
	AffinitySet Kind = iota // a set of clients; its value is the timeout
	Chain                   // its value is the rules, one a line
	MapElement              // its value is the element's
	SetElement              // its value is empty
)

// Item is one thing in the table.
type Item struct {
	Kind Kind
	Name string // of the chain, the set or the map
	Key  string // of an element, fields separated by " . "
}

// Frontend is an address that leads to a service. The address of a node port is
// not valid: it is every address of the node.
type Frontend struct {
	Address  netip.Addr
	Protocol corev1.Protocol
	Port     uint16
}

// Health is what a load balancer asks the node: whether it has endpoints.
type Health struct {
	Port           uint16
	LocalEndpoints int
}

// Plan is what one service wants.
type Plan struct {
	Items map[Item]string
	// Flows are, by frontend, the endpoints that the kernel may remember flows to:
	// those that serve.
	Flows map[Frontend][]netip.AddrPort
	// Health is nil when nothing asks.
	Health *Health
	// Problems are what was left out and why, to be told to the service's owner.
	Problems []string
	// Precedence orders services that claim the same address: the least has it.
	Precedence string
}

// Facts are what plans are made with.
type Facts struct {
	// Node is this machine's name.
	Node string
	// Pods holds the addresses of all pods of the cluster.
	Pods netip.Prefix
	// Services holds the cluster IPs.
	Services netip.Prefix
	// LocalPods holds those of this machine's pods.
	LocalPods netip.Prefix
	// TranslateLocal also hides the client's address between pods of this machine:
	// without it the answer would bypass the machine where the bridge is not
	// filtered.
	TranslateLocal bool
}

// rules and element values that several places write.
const (
	refuse     = "goto " + ChainRefuse
	drop       = "drop"
	masquerade = "meta mark set meta mark | " + Mark
)

func (p *Plan) add(i Item, value string) { p.Items[i] = value }

func (p *Plan) chain(name string, rules []string) string {
	p.add(Item{Kind: Chain, Name: name}, joinRules(rules))
	return name
}

func (p *Plan) problem(text string) { p.Problems = append(p.Problems, text) }

// defaultAffinity is the session affinity's timeout where the service has none.
const defaultAffinity = 3 * time.Hour

// CompareItems orders items by kind, name and key.
func CompareItems(a, b Item) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name), strings.Compare(a.Key, b.Key))
}
