package dns

import (
	"context"
	"errors"

	"github.com/coredns/coredns/plugin/pkg/nonwriter"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
)

// maxAliases is how many names a question is led through.
const maxAliases = 8

var (
	errNotSynced  = errors.New("the services are not known yet")
	errManyAlias  = errors.New("an ExternalName leads in a circle, or through too many names")
	errNoResolver = errors.New("no resolver is configured")
)

// aliasDepth is the context's key of how many names were followed.
type aliasDepth struct{}

// follow answers with the alias and, as pods' resolvers do not look further
// themselves, with what its target has.
func (z *zone) follow(ctx context.Context, q request.Request, m *dns.Msg, b *builder) (int, error) {
	m.Answer = b.records
	if b.qtype == dns.TypeCNAME {
		return m.Rcode, q.W.WriteMsg(m)
	}
	target, err := z.lookUp(ctx, q, b.alias, b.qtype)
	if err != nil || target == nil {
		m.Rcode = dns.RcodeServerFailure
		return dns.RcodeSuccess, errors.Join(err, q.W.WriteMsg(m)) // it is written
	}
	m.Rcode = target.Rcode
	m.Truncated = target.Truncated
	m.Authoritative = target.Authoritative
	m.Answer = append(m.Answer, target.Answer...)
	m.Ns = target.Ns
	for _, r := range target.Extra {
		if r.Header().Rrtype != dns.TypeOPT {
			m.Extra = append(m.Extra, r)
		}
	}
	return dns.RcodeSuccess, q.W.WriteMsg(m) // it is written, whatever its code
}

func (z *zone) lookUp(ctx context.Context, q request.Request, name string, qtype uint16) (*dns.Msg, error) {
	depth, _ := ctx.Value(aliasDepth{}).(int)
	if depth >= maxAliases {
		return nil, errManyAlias
	}
	r := new(dns.Msg).SetQuestion(name, qtype)
	r.RecursionDesired, r.CheckingDisabled = q.Req.RecursionDesired, q.Req.CheckingDisabled
	if o := q.Req.IsEdns0(); o != nil {
		r.SetEdns0(o.UDPSize(), o.Do())
	}
	answer := nonwriter.New(q.W)
	rcode, err := z.ServeDNS(context.WithValue(ctx, aliasDepth{}, depth+1), answer, r)
	if answer.Msg == nil && err == nil {
		answer.Msg = new(dns.Msg).SetRcode(r, rcode)
	}
	return answer.Msg, err
}
