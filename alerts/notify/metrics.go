package notify

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

type metrics struct {
	set                          ownmetrics.Set
	receivers, integrations      prometheus.Gauge
	configGood                   prometheus.Gauge
	writeFailures, linesTimeouts prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		receivers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lubberline_notify_receivers", Help: "Receivers of the configuration in use.",
		}),
		integrations: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lubberline_notify_integrations", Help: "Ways to send of all receivers of the configuration in use.",
		}),
		configGood: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lubberline_notify_config_last_reload_successful", Help: "1 if the newest configuration of receivers is in use, 0 if it is refused and an older one goes on.",
		}),
		writeFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_notify_write_failures_total", Help: "Alerts, silences or sent messages that could not be written to disk.",
		}),
		linesTimeouts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_notify_log_lines_missing_total", Help: "Messages that went out without log lines because those were not found in time.",
		}),
	}
	var err error
	m.set, err = ownmetrics.Register(r, m.receivers, m.integrations, m.configGood, m.writeFailures, m.linesTimeouts)
	return m, err
}
