package app

import (
	"context"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/lubberline/lubberline/ownmetrics"
)

const (
	// ownInterval is the distance of the samples of our own metrics.
	ownInterval = 15 * time.Second
	// ownJob is what their label job says; those of collectors come with theirs.
	ownJob = "lubberline"
)

// buildOwnSeries stores what this process says of itself, so that rules and
// dashboards can look at it. Series that are not there any more just end.
func (a *App) buildOwnSeries(node string) (err error) {
	if node == "" {
		if node, err = os.Hostname(); err != nil {
			return err
		}
	}
	a.group.Go("own metrics", func(ctx context.Context) error {
		ticks := time.NewTicker(ownInterval)
		defer ticks.Stop()
		for {
			if err := storeOwn(ctx, a.shownMetrics(), a.metricStore, node, time.Now()); err != nil && ctx.Err() == nil {
				a.ownFailed.Do(func() { a.logger("own metrics").Error("not all own metrics can be stored", "error", err) })
			}
			select {
			case <-ctx.Done():
				return nil
			case <-ticks.C:
			}
		}
	})
	return nil
}

// storeOwn stores what can be collected; the error is of the rest.
func storeOwn(ctx context.Context, from prometheus.Gatherer, store storage.Appendable, node string, now time.Time) error {
	samples, failed := ownmetrics.Samples(from)
	app := store.Appender(ctx)
	b := labels.NewScratchBuilder(8)
	for _, s := range samples {
		b.Reset()
		b.Add(model.MetricNameLabel, s.Name)
		for i := 0; i+1 < len(s.Labels); i += 2 {
			b.Add(s.Labels[i], s.Labels[i+1])
		}
		b.Add("instance", node)
		b.Add("job", ownJob)
		b.Add("node", node)
		b.Sort()
		if _, err := app.Append(0, b.Labels(), now.UnixMilli(), s.Value); err != nil {
			failed = err
		}
	}
	if err := app.Commit(); err != nil {
		return err
	}
	return failed
}
