package prometheus

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// DefaultLookback is for how long a sample counts where nothing newer came.
const DefaultLookback = 5 * time.Minute

// EngineOptions bound what queries may cost. Zero values take the defaults named
// with each.
type EngineOptions struct {
	Timeout    time.Duration // 2 minutes
	MaxSamples int           // in memory at once, per query: 20 million
	Concurrent int           // queries at once; more wait: 8
	Logger     *slog.Logger
	Registerer client.Registerer
}

// NewEngine makes the PromQL engine that the API, the historical paths and
// alert rules share. Close it when all are done.
func NewEngine(o EngineOptions) *promql.Engine {
	if o.Timeout <= 0 {
		o.Timeout = 2 * time.Minute
	}
	if o.MaxSamples <= 0 {
		o.MaxSamples = 20_000_000
	}
	if o.Concurrent <= 0 {
		o.Concurrent = 8
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return promql.NewEngine(promql.EngineOpts{
		Logger: o.Logger, Reg: o.Registerer, MaxSamples: o.MaxSamples, Timeout: o.Timeout,
		ActiveQueryTracker: make(gate, o.Concurrent), LookbackDelta: DefaultLookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		EnableAtModifier:         true, EnableNegativeOffset: true,
		Parser: parser.NewParser(parser.Options{}),
	})
}

// gate bounds the number of queries that run at once.
type gate chan struct{}

// GetMaxConcurrent is the bound.
func (g gate) GetMaxConcurrent() int { return cap(g) }

// Insert waits for a place.
func (g gate) Insert(ctx context.Context, _ string) (int, error) {
	select {
	case g <- struct{}{}:
		return 0, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("waited in vain for %d other queries: %w", cap(g), context.Cause(ctx))
	}
}

// Delete gives the place back.
func (g gate) Delete(int) { <-g }

// Close has nothing to do.
func (gate) Close() error { return nil }
