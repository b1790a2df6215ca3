package dns

import (
	"context"
	"log/slog"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"
	"golang.org/x/time/rate"
)

// report counts questions and tells why some had no answer. It is the first of
// the chain.
type report struct {
	metrics *metrics
	log     *slog.Logger
	limit   *rate.Limiter
	next    plugin.Handler
}

// Name implements plugin.Handler.
func (*report) Name() string { return "report" }

// ServeDNS implements plugin.Handler.
func (p *report) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	start := time.Now()
	seen := &recorder{ResponseWriter: w, source: sourceUpstream, rcode: -1}
	rcode, err := p.next.ServeDNS(ctx, seen, r)
	if seen.rcode < 0 {
		seen.rcode = rcode // the server writes it
	}
	p.metrics.answered(r.Question[0].Qtype, seen.rcode, seen.source, time.Since(start))
	if err != nil && p.limit.Allow() {
		p.log.Warn("a question was not answered", "name", r.Question[0].Name,
			"type", dns.Type(r.Question[0].Qtype).String(), "client", w.RemoteAddr(), "error", err)
	}
	return rcode, err
}

// recorder takes notice of what is answered.
type recorder struct {
	dns.ResponseWriter
	source string
	rcode  int
}

// WriteMsg implements dns.ResponseWriter.
func (w *recorder) WriteMsg(m *dns.Msg) error {
	w.rcode = m.Rcode
	return w.ResponseWriter.WriteMsg(m)
}

// markLocal tells the recorder, when w is one, that the cluster's data answered.
func markLocal(w dns.ResponseWriter) {
	if r, ok := w.(*recorder); ok {
		r.source = sourceCluster
	}
}
