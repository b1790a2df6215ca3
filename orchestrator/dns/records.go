package dns

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"
)

// ttl is how long an answer may be kept, seconds: what clients that cache see
// of a change. That something does not exist may be kept as long.
const ttl = 5

// Timers of the zone, seconds. Nobody transfers it, but the record has them.
const (
	refresh = 7200
	retry   = 1800
	expire  = 86400
)

func header(name string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: ttl}
}

func addressType(a netip.Addr) uint16 {
	if a.Is4() {
		return dns.TypeA
	}
	return dns.TypeAAAA
}

func addressRecord(name string, a netip.Addr) dns.RR {
	h := header(name, addressType(a))
	if a.Is4() {
		return &dns.A{Hdr: h, A: net.IP(a.AsSlice())}
	}
	return &dns.AAAA{Hdr: h, AAAA: net.IP(a.AsSlice())}
}

func (z *zone) soa(origin string) dns.RR {
	return &dns.SOA{
		Hdr: header(origin, dns.TypeSOA), Ns: serverLabel + "." + serversLabel + "." + z.domain, Mbox: "hostmaster." + z.domain,
		Serial: z.serial, Refresh: refresh, Retry: retry, Expire: expire, Minttl: ttl,
	}
}

// builder makes the records of one answer.
type builder struct {
	owner  string // the name as it was asked for, its case kept
	suffix string // the domain, in the question's case
	qtype  uint16

	records, extra []dns.RR
	alias          string // where the name leads by CNAME
}

// address adds an address, when it was asked for.
func (b *builder) address(a netip.Addr) {
	if b.qtype == addressType(a) {
		b.records = append(b.records, addressRecord(b.owner, a))
	}
}

func (b *builder) text(s string) {
	if b.qtype == dns.TypeTXT {
		b.records = append(b.records, &dns.TXT{Hdr: header(b.owner, dns.TypeTXT), Txt: []string{s}})
	}
}

// below is the name of the service, or of its endpoint of that name.
func (b *builder) below(s *corev1.Service, endpoint string) string {
	if b.qtype != dns.TypeSRV {
		return "" // nobody asks for it
	}
	name := s.Name + "." + s.Namespace + "." + servicesLabel + "." + b.suffix
	if endpoint != "" {
		name = endpoint + "." + name
	}
	return name
}

// service adds where a port is, when it was asked for.
func (b *builder) service(target string, port uint16) bool {
	if b.qtype != dns.TypeSRV {
		return false
	}
	b.records = append(b.records, &dns.SRV{Hdr: header(b.owner, dns.TypeSRV), Port: port, Target: target})
	return true
}

// glue adds the address of a target, once.
func (b *builder) glue(name string, a netip.Addr) {
	b.extra = append(b.extra, addressRecord(name, a))
}

// endpoint adds the ports of an endpoint that t asks for, and tells whether
// there are any.
func (b *builder) endpoint(t target, s *corev1.Service, e endpoint) bool {
	found, added := false, false
	name := b.below(s, e.name)
	for i := range e.ports {
		p := &e.ports[i]
		if !t.hasPort(ptr.Deref(p.Name, ""), protocolOf(p)) {
			continue
		}
		found = true
		if t.kind != kindProtocol && p.Port != nil {
			added = b.service(name, uint16(*p.Port)) || added
		}
	}
	if added {
		b.glue(name, e.address)
	}
	return found
}

func protocolOf(p *discoveryv1.EndpointPort) string {
	return string(ptr.Deref(p.Protocol, corev1.ProtocolTCP))
}

// distinct leaves every record once, and begins at any of them: clients take
// the first.
func (b *builder) distinct() {
	b.records, b.extra = unique(b.records), unique(b.extra)
	if n := len(b.records); n > 1 {
		first := rand.IntN(n)
		b.records = slices.Concat(b.records[first:], b.records[:first])
	}
}

// unique drops repetitions: an address may be in several slices.
func unique(records []dns.RR) []dns.RR {
	if len(records) < 2 {
		return records
	}
	type identity struct {
		name    string
		address netip.Addr
		port    uint16
	}
	seen := make(map[identity]struct{}, len(records))
	return slices.DeleteFunc(records, func(r dns.RR) bool {
		var id identity
		switch r := r.(type) {
		case *dns.A:
			id.name = r.Hdr.Name
			id.address, _ = netip.AddrFromSlice(r.A)
		case *dns.AAAA:
			id.name = r.Hdr.Name
			id.address, _ = netip.AddrFromSlice(r.AAAA)
		case *dns.SRV:
			id.name, id.port = r.Target, r.Port
		}
		_, repeated := seen[id]
		seen[id] = struct{}{}
		return repeated
	})
}

// share gives the targets the same weight.
func (b *builder) share() {
	if b.qtype != dns.TypeSRV || len(b.records) == 0 {
		return
	}
	b.extra = unique(b.extra)
	weight := uint16(max(100/len(b.records), 1))
	for _, r := range b.records {
		if r, ok := r.(*dns.SRV); ok {
			r.Weight = weight
		}
	}
}
