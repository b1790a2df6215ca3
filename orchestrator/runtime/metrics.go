package runtime

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

type metrics struct {
	set    ownmetrics.Set
	starts prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{starts: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "lubberline_runtime_starts_total",
		Help: "How often containerd was started; more than once means that it died.",
	})}
	var err error
	m.set, err = ownmetrics.Register(r, m.starts)
	return m, err
}
