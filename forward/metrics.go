package forward

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

// serverMetrics are the server's own metrics, with the label "server".
type serverMetrics struct {
	ownmetrics.Set

	connections                                      prometheus.Gauge
	accepted, rejected, handshakeFailures, badFrames prometheus.Counter
	refused, acks, bytes, heartbeats                 prometheus.Counter
	frames                                           [modes]prometheus.Counter
}

func newServerMetrics(r prometheus.Registerer, name string, b *budget) (*serverMetrics, error) {
	m := &serverMetrics{}
	var all []prometheus.Collector
	labels := prometheus.Labels{"server": name}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_forward_" + name, Help: help, ConstLabels: labels})
		all = append(all, c)
		return c
	}
	m.accepted = counter("connections_accepted_total", "Connections served.")
	m.rejected = counter("connections_rejected_total", "Connections closed because there were too many.")
	m.handshakeFailures = counter("handshake_failures_total", "Connections closed because the handshake failed.")
	m.badFrames = counter("bad_frames_total", "Connections closed because of a malformed or oversized frame.")
	m.refused = counter("refused_chunks_total", "Chunks that the handler did not take and clients have to send again.")
	m.acks = counter("acks_total", "Chunks acknowledged.")
	m.bytes = counter("received_bytes_total", "Bytes read from connections.")
	m.heartbeats = counter("heartbeats_total", "Datagrams answered.")
	m.connections = prometheus.NewGauge(prometheus.GaugeOpts{Name: "lubberline_forward_connections", Help: "Open connections.", ConstLabels: labels})
	frames := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lubberline_forward_frames_total", Help: "Frames received, by mode.", ConstLabels: labels}, []string{"mode"})
	for mode := range modes {
		m.frames[mode] = frames.WithLabelValues(mode.String())
	}
	inFlight := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "lubberline_forward_in_flight_bytes", Help: "Bytes of chunks that are being handled.", ConstLabels: labels,
	}, func() float64 { return float64(b.inUse()) })
	all = append(all, m.connections, frames, inFlight)
	var err error
	m.Set, err = ownmetrics.Register(r, all...)
	return m, err
}
