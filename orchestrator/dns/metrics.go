package dns

import (
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

// Label values for what has none of its own.
const other = "other"

var (
	countedTypes = []uint16{
		dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypePTR, dns.TypeCNAME, dns.TypeTXT, dns.TypeSOA, dns.TypeNS, dns.TypeMX, dns.TypeHTTPS,
	}
	countedCodes = []int{
		dns.RcodeSuccess, dns.RcodeNameError, dns.RcodeServerFailure, dns.RcodeRefused, dns.RcodeFormatError, dns.RcodeNotImplemented,
	}
)

// Who answered.
const (
	sourceCluster  = "cluster"
	sourceUpstream = "upstream"
)

type metrics struct {
	set     ownmetrics.Set
	queries map[queryKind]prometheus.Counter
	seconds map[string]prometheus.Observer
}

// queryKind is a question's type and its answer's code, where they are counted
// by name.
type queryKind struct {
	qtype uint16
	rcode int
}

// rest stands for all types and codes that are not counted by name.
const (
	restType = dns.TypeNone
	restCode = -1
)

func newMetrics(r prometheus.Registerer, u *upstream) (*metrics, error) {
	queries := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lubberline_dns_queries_total", Help: "Questions answered, by their type and the answer's code.",
	}, []string{"type", "rcode"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "lubberline_dns_query_duration_seconds", Help: "Time from a question to its answer, by who knew it.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .01, .05, .25, 1, 5},
	}, []string{"source"})
	m := &metrics{queries: map[queryKind]prometheus.Counter{}, seconds: map[string]prometheus.Observer{}}
	for _, t := range append(countedTypes, restType) {
		for _, c := range append(countedCodes, restCode) {
			m.queries[queryKind{t, c}] = queries.WithLabelValues(typeLabel(t), codeLabel(c))
		}
	}
	for _, s := range []string{sourceCluster, sourceUpstream} {
		m.seconds[s] = seconds.WithLabelValues(s)
	}
	var err error
	m.set, err = ownmetrics.Register(r, queries, seconds, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "lubberline_dns_forwarded_waiting", Help: "Questions that wait for a resolver.",
	}, func() float64 { return float64(u.waiting.Load()) }))
	return m, err
}

func typeLabel(t uint16) string {
	if t == restType {
		return other
	}
	return dns.TypeToString[t]
}

func codeLabel(c int) string {
	if c == restCode {
		return other
	}
	return dns.RcodeToString[c]
}

func (m *metrics) answered(qtype uint16, rcode int, source string, took time.Duration) {
	for _, k := range []queryKind{{qtype, rcode}, {restType, rcode}, {qtype, restCode}, {restType, restCode}} {
		if c, ok := m.queries[k]; ok {
			c.Inc()
			break
		}
	}
	m.seconds[source].Observe(took.Seconds())
}
