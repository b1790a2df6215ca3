package alerts

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

type metrics struct {
	set              ownmetrics.Set
	rules, problems  prometheus.Gauge
	reloads, refused prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		rules: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lubberline_alerts_rules", Help: "Rules that are evaluated.",
		}),
		problems: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lubberline_alerts_rule_problems", Help: "What is wrong in the user's rule files as they are now; an older form of those files is in use.",
		}),
		reloads: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_alerts_reloads_total", Help: "How often rules and receivers were read again.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_alerts_reloads_refused_total", Help: "How often something was wrong in rules or receivers that were read again.",
		}),
	}
	var err error
	m.set, err = ownmetrics.Register(r, m.rules, m.problems, m.reloads, m.refused)
	return m, err
}
