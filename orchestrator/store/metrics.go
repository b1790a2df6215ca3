package store

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

// metrics are of the embedded etcd; those of its inside are etcd's own.
type metrics struct {
	set          ownmetrics.Set
	defragmented prometheus.Counter
}

func newMetrics(r prometheus.Registerer, e *embedded) (*metrics, error) {
	m := &metrics{defragmented: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "lubberline_store_defragmentations_total", Help: "How often the store's file was rewritten to give free pages back.",
	})}
	var err error
	m.set, err = ownmetrics.Register(r, m.defragmented,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lubberline_store_size_bytes", Help: "Size of the store's file.",
		}, func() float64 { return float64(e.server.Backend().Size()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lubberline_store_in_use_bytes", Help: "Part of the store's file that is not free.",
		}, func() float64 { return float64(e.server.Backend().SizeInUse()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lubberline_store_quota_bytes", Help: "Size of the store's file at which writes are refused.",
		}, func() float64 { return float64(e.server.Cfg.QuotaBackendBytes) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "lubberline_store_refused_writes_total", Help: "Writes that were refused because the disk is full or the store as large as it may be.",
		}, func() float64 { return float64(e.room.refused.Load()) }),
	)
	return m, err
}
