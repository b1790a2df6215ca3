package remotewrite

import (
	"context"
	"time"

	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/collector/series"
	"github.com/lubberline/lubberline/ownmetrics"
)

// ownInterval is the distance of the samples of our own metrics: they cost more
// to collect than a container, and matter less.
const ownInterval = 15 * time.Second

// collectOwn puts our own metrics ready for the next tick, again and again until
// ctx ends. It is not done in Tick, whose caller may hold what they ask for.
func (w *Writer) collectOwn(ctx context.Context) {
	if w.options.Own == nil {
		return
	}
	ticks := time.NewTicker(ownInterval)
	defer ticks.Stop()
	told := false
	for {
		samples, err := ownmetrics.Samples(w.options.Own)
		if err != nil && !told {
			told = true
			w.logger.Error("not all own metrics can be collected", "error", err)
		}
		w.own.Store(&samples)
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// encodeOwn writes the process's own metrics, which the catalog does not list,
// and returns how many samples that were. Series of them that are not there any
// more just end.
func (e *encoder) encodeOwn(tick time.Time, samples []ownmetrics.Sample) int {
	e.samples = 0
	for i := range samples {
		s := &samples[i]
		e.knowOwn(s)
		p := series.Point{Name: s.Name, Value: s.Value, Labels: make([]series.Label, 0, len(s.Labels)/2)}
		for j := 0; j+1 < len(s.Labels); j += 2 {
			p.Labels = append(p.Labels, series.Label{Name: s.Labels[j], Value: s.Labels[j+1]})
		}
		e.base = e.req.pairs(e.base[:0], e.source)
		e.encodePoint(&p, tick.UnixMilli())
	}
	e.flushIfOver(0)
	return e.samples
}

// knowOwn gives a metric that is seen for the first time its place.
func (e *encoder) knowOwn(s *ownmetrics.Sample) {
	if _, known := e.points[s.Name]; known {
		return
	}
	kind := catalog.Gauge
	if s.Counter {
		kind = catalog.Counter
	}
	e.points[s.Name] = len(e.rows) + 1 + len(e.catalog)
	e.catalog = append(e.catalog, catalog.Metric{Name: s.Name, Kind: kind})
	e.req.metrics = append(e.req.metrics, metricRefs{})
}
