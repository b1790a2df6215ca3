package cgroup

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	watches   prometheus.Gauge
	rescans   prometheus.Counter
	overflows prometheus.Counter
	repaired  prometheus.Counter
}

func newMetrics(r prometheus.Registerer, s *shared) (*metrics, error) {
	m := &metrics{
		watches: prometheus.NewGauge(prometheus.GaugeOpts{Name: "lubberline_cgroup_watches",
			Help: "Directories followed with inotify."}),
		rescans: prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_cgroup_rescans_total",
			Help: "Walks over all hierarchies."}),
		overflows: prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_cgroup_watch_failures_total",
			Help: "Times inotify lost events or had no room for a directory, so that only a rescan finds cgroups."}),
		repaired: prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_cgroup_rescan_repairs_total",
			Help: "Cgroups found to be new or gone by a rescan after the first."}),
	}
	if r == nil {
		return m, nil
	}
	all := []prometheus.Collector{m.watches, m.rescans, m.overflows, m.repaired,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "lubberline_cgroup_open_files",
			Help: "Files of cgroups kept open."}, func() float64 { return float64(s.open.Load()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "lubberline_cgroup_reopened_files_total",
			Help: "Reads of files that could not be kept open for want of descriptors."}, func() float64 { return float64(s.reopened.Load()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "lubberline_cgroup_read_failures_total",
			Help: "Reads of open files that failed, gone cgroups not counted."}, func() float64 { return float64(s.failed.Load()) }),
	}
	for _, c := range all {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of cgroups: %w", err)
		}
	}
	return m, nil
}
