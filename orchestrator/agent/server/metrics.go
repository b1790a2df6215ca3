package server

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

type metrics struct {
	requests *prometheus.CounterVec
	open     prometheus.Gauge
}

// folders are the paths that are counted by name.
var folders = map[string]bool{
	"attach": true, "containerLogs": true, "exec": true, "healthz": true, "logs": true,
	"metrics": true, "pods": true, "portForward": true, "runningpods": true, "stats": true,
}

func newMetrics() *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lubberline_server_requests_total", Help: "Requests to the node's endpoint by first part of the path."}, []string{"path"}),
		open:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "lubberline_server_open_requests", Help: "Requests to the node's endpoint that are being answered, streams included."}),
	}
	m.requests.WithLabelValues("other")
	for path := range folders {
		m.requests.WithLabelValues(path)
	}
	return m
}

func (m *metrics) register(r prometheus.Registerer) (ownmetrics.Set, error) {
	return ownmetrics.Register(r, m.requests, m.open)
}

func (m *metrics) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if !folders[first] {
			first = "other"
		}
		m.requests.WithLabelValues(first).Inc()
		m.open.Inc()
		defer m.open.Dec()
		next.ServeHTTP(w, r)
	})
}
