package remotewrite

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the receiver.
type metrics struct {
	// requests by protocol and status class of those that were understood.
	requests map[protocol]map[int]prometheus.Counter
	byStatus *prometheus.CounterVec
	samples  prometheus.Counter
	dropped  map[string]prometheus.Counter
}

// Reasons for which a sample is left out without an error to the sender.
const (
	outOfOrder = "out_of_order"
	tooOld     = "too_old"
	duplicate  = "duplicate"
	tooNew     = "too_new"
	malformed  = "malformed"
)

func newMetrics(reg prometheus.Registerer) *metrics {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lubberline_remotewrite_requests_total", Help: "Requests that were stored, by protocol version.",
	}, []string{"version"})
	dropped := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lubberline_remotewrite_samples_dropped_total", Help: "Samples received and not stored, by reason.",
	}, []string{"reason"})
	m := &metrics{
		byStatus: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lubberline_remotewrite_requests_refused_total", Help: "Requests answered with an error, by status.",
		}, []string{"code"}),
		samples: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_remotewrite_samples_total", Help: "Samples and histograms stored.",
		}),
		requests: map[protocol]map[int]prometheus.Counter{
			v1: {http.StatusNoContent / 100: requests.WithLabelValues("1.0")},
			v2: {http.StatusNoContent / 100: requests.WithLabelValues("2.0")},
		},
		dropped: map[string]prometheus.Counter{},
	}
	for _, reason := range []string{outOfOrder, tooOld, duplicate, tooNew, malformed} {
		m.dropped[reason] = dropped.WithLabelValues(reason)
	}
	for _, status := range []int{400, 405, 413, 415, 500, 503} {
		m.byStatus.WithLabelValues(strconv.Itoa(status))
	}
	if reg != nil {
		reg.MustRegister(requests, dropped, m.byStatus, m.samples)
	}
	return m
}

func (m *metrics) refused(status int) { m.byStatus.WithLabelValues(strconv.Itoa(status)).Inc() }
