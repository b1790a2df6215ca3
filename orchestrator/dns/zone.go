package dns

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
)

// specification is the version of the Kubernetes DNS specification that names
// follow, as dns-version.<domain> tells it.
const specification = "1.1.0"

// zone answers for the cluster's domain and for the addresses of pods and
// services, and hands on everything else.
type zone struct {
	domain   string // in lower case, with a dot at its end
	server   netip.Addr
	networks []netip.Prefix
	serial   uint32
	cluster  *cluster
	next     plugin.Handler
}

// Name implements plugin.Handler.
func (z *zone) Name() string { return "lubberline" }

// ServeDNS implements plugin.Handler.
func (z *zone) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	q := request.Request{W: w, Req: r}
	name := q.Name()
	if relative, ok := below(name, z.domain); ok {
		markLocal(w)
		return z.serveDomain(ctx, q, relative)
	}
	if address, ok := parseReverse(name); ok {
		names, own := z.cluster.names(address), z.owns(address)
		if own || len(names) > 0 {
			markLocal(w)
			return z.serveReverse(q, names, address)
		}
	}
	return plugin.NextOrFailure(z.Name(), z.next, ctx, w, r)
}

func (z *zone) owns(a netip.Addr) bool {
	return slices.ContainsFunc(z.networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

func (z *zone) serveDomain(ctx context.Context, q request.Request, relative string) (int, error) {
	if !z.cluster.ready() {
		return dns.RcodeServerFailure, errNotSynced
	}
	switch q.QType() {
	case dns.TypeAXFR, dns.TypeIXFR:
		return dns.RcodeRefused, nil
	}
	qname := q.QName()
	b := &builder{owner: qname, suffix: qname[len(qname)-len(z.domain):], qtype: q.QType()}
	t := parseName(relative)
	m := reply(q.Req)
	if !z.find(b, t) {
		m.Rcode = dns.RcodeNameError
	} else if b.alias != "" {
		return z.follow(ctx, q, m, b)
	}
	return z.write(q, m, b, b.suffix)
}

// write answers with what was built, or with why there is nothing. origin is
// the zone of the name.
func (z *zone) write(q request.Request, m *dns.Msg, b *builder, origin string) (int, error) {
	m.Answer, m.Extra = b.records, b.extra
	if len(m.Answer) == 0 {
		m.Ns = []dns.RR{z.soa(origin)}
	}
	return m.Rcode, q.W.WriteMsg(m)
}

func reply(r *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(r)
	m.Authoritative, m.RecursionAvailable = true, true
	return m
}

// find builds the records that t has, and tells whether the name exists at all.
func (z *zone) find(b *builder, t target) bool {
	switch t.kind {
	case kindApex:
		z.findApex(b)
		return true
	case kindVersion:
		b.text(specification)
		return true
	case kindNameserver:
		b.address(z.server)
		return true
	case kindGroup:
		return true
	case kindNamespace:
		return z.cluster.namespace(t.namespace)
	case kindPod:
		if !z.cluster.namespace(t.namespace) {
			return false
		}
		b.address(t.address)
		return true
	case kindNone:
		return false
	}
	service := z.cluster.service(t.namespace, t.service)
	return service != nil && z.findService(b, t, service)
}

func (z *zone) findApex(b *builder) {
	switch b.qtype {
	case dns.TypeSOA:
		b.records = append(b.records, z.soa(b.suffix))
	case dns.TypeNS:
		name := serverLabel + "." + serversLabel + "." + b.suffix
		b.records = append(b.records, &dns.NS{Hdr: header(b.owner, dns.TypeNS), Ns: name})
		b.extra = append(b.extra, addressRecord(name, z.server))
	}
}

func (z *zone) findService(b *builder, t target, s *corev1.Service) bool {
	switch {
	case s.Spec.Type == corev1.ServiceTypeExternalName:
		return t.kind == kindService && findExternal(b, s)
	case t.kind == kindEndpoint:
		return z.findEndpoint(b, t, s)
	case headless(s):
		return z.findHeadless(b, t, s)
	}
	return findClusterIP(b, t, s)
}

// findExternal wants a name: an address in its place has no record.
func findExternal(b *builder, s *corev1.Service) bool {
	if _, err := netip.ParseAddr(s.Spec.ExternalName); err == nil || s.Spec.ExternalName == "" {
		return false
	}
	b.alias = dns.Fqdn(s.Spec.ExternalName)
	b.records = append(b.records, &dns.CNAME{Hdr: header(b.owner, dns.TypeCNAME), Target: b.alias})
	return true
}

func findClusterIP(b *builder, t target, s *corev1.Service) bool {
	ips := clusterIPs(s)
	if t.kind == kindService {
		for _, ip := range ips {
			if a, err := netip.ParseAddr(ip); err == nil {
				b.address(a)
			}
		}
	}
	found := t.kind == kindService
	name := b.below(s, "")
	for _, p := range s.Spec.Ports {
		if !t.hasPort(p.Name, string(p.Protocol)) {
			continue
		}
		found = true
		if t.kind == kindProtocol || !b.service(name, uint16(p.Port)) {
			continue
		}
		for _, ip := range ips {
			if a, err := netip.ParseAddr(ip); err == nil {
				b.glue(name, a)
			}
		}
	}
	b.distinct() // a port may have one number for two protocols
	b.share()
	return found
}

// hasPort tells whether a port is asked for. Ports without a name have no name
// of their own.
func (t *target) hasPort(name, protocol string) bool {
	switch t.kind {
	case kindService, kindEndpoint:
		return true
	case kindProtocol:
		return name != "" && protocol == t.protocol
	case kindPort:
		return strings.EqualFold(name, t.port) && protocol == t.protocol
	}
	return false
}

// findHeadless answers with the endpoints. A service that has none which are
// ready does not exist: the specification wants it so.
func (z *zone) findHeadless(b *builder, t target, s *corev1.Service) bool {
	found := false
	z.cluster.endpoints(s, func(e endpoint) bool {
		if t.kind == kindService {
			b.address(e.address)
			found = true
		}
		found = b.endpoint(t, s, e) || found
		return true
	})
	b.distinct()
	b.share()
	return found
}

// findEndpoint answers for one endpoint, or for all that share a hostname.
func (z *zone) findEndpoint(b *builder, t target, s *corev1.Service) bool {
	found := false
	z.cluster.endpoints(s, func(e endpoint) bool {
		if e.name == t.endpoint {
			found = true
			b.address(e.address)
			b.endpoint(t, s, e)
		}
		return true
	})
	b.distinct()
	b.share()
	return found
}

func (z *zone) serveReverse(q request.Request, names []string, address netip.Addr) (int, error) {
	if !z.cluster.ready() {
		return dns.RcodeServerFailure, errNotSynced
	}
	m := reply(q.Req)
	b := &builder{owner: q.QName(), qtype: q.QType()}
	if len(names) == 0 {
		m.Rcode = dns.RcodeNameError
	}
	if b.qtype == dns.TypePTR {
		for _, name := range names {
			b.records = append(b.records, &dns.PTR{Hdr: header(b.owner, dns.TypePTR), Ptr: name + "." + z.domain})
		}
	}
	return z.write(q, m, b, z.reverseOrigin(q.Name(), address))
}

// reverseOrigin is the zone that a reverse name is in: its network's, by whole
// labels.
func (z *zone) reverseOrigin(name string, address netip.Addr) string {
	bits, labelBits := address.BitLen(), 8
	if address.Is6() {
		labelBits = 4
	}
	for _, n := range z.networks {
		if n.Contains(address) {
			bits = n.Bits()
		}
	}
	for range (address.BitLen() - bits + labelBits - 1) / labelBits {
		_, name, _ = strings.Cut(name, ".")
	}
	return name
}
