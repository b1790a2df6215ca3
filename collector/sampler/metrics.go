package sampler

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	ticks, missed, clockSteps, readErrors, resolveErrors prometheus.Counter
	containers, unresolved, lateness                     prometheus.Gauge
	duration                                             prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_sampler_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "lubberline_sampler_" + name, Help: help})
	}
	m := &metrics{
		ticks:         counter("ticks_total", "Times at which all containers were read."),
		missed:        counter("ticks_missed_total", "Points of the grid that were left out because the sampler came late."),
		clockSteps:    counter("clock_steps_total", "Times the machine's clock was found to have been set."),
		readErrors:    counter("read_errors_total", "Cgroups and network counters that could not be read."),
		resolveErrors: counter("resolve_errors_total", "Questions for a container's name that failed."),
		containers:    gauge("containers", "Cgroups being read."),
		unresolved:    gauge("containers_unresolved", "Cgroups whose name is still asked for."),
		lateness:      gauge("tick_lateness_seconds", "How long after its point of the grid the last tick began."),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "lubberline_sampler_tick_duration_seconds", Help: "Time to read all containers.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.ticks, m.missed, m.clockSteps, m.readErrors, m.resolveErrors,
		m.containers, m.unresolved, m.lateness, m.duration} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of the sampler: %w", err)
		}
	}
	return m, nil
}
