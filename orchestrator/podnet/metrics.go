package podnet

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

// Ways to a peer, as the label way has them.
const (
	wayDirect      = "direct"
	wayTunnel      = "vxlan"
	wayUnreachable = "none"
)

type metrics struct {
	set     ownmetrics.Set
	peers   *prometheus.GaugeVec
	changes prometheus.Counter
	errors  prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		peers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "lubberline_podnet_peers", Help: "Other nodes by the way to their pods: direct, vxlan or none.",
		}, []string{"way"}),
		changes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_podnet_changes_total", Help: "Routes and neighbours that were added to the kernel or taken out of it.",
		}),
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_podnet_errors_total", Help: "Times that the kernel could not be brought to what is wanted.",
		}),
	}
	m.show(result{})
	var err error
	m.set, err = ownmetrics.Register(r, m.peers, m.changes, m.errors)
	return m, err
}

func (m *metrics) show(r result) {
	m.peers.WithLabelValues(wayDirect).Set(float64(r.direct))
	m.peers.WithLabelValues(wayTunnel).Set(float64(r.tunnels))
	m.peers.WithLabelValues(wayUnreachable).Set(float64(r.unreachable))
	m.changes.Add(float64(r.changes))
}
