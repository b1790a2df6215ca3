// Package evaluate runs alert and recording rules with Prometheus's rule manager
// on a query engine and a store that it is given, and hands over the alerts.
package evaluate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
)

// Options is what an evaluator is made of. Engine, Queryable, Store and Send are
// needed.
type Options struct {
	Engine    promql.QueryEngine
	Queryable storage.Queryable
	// Store takes the series of recording rules and the states of alerts.
	Store storage.AppendableV2
	// Send takes alerts that fire or have just been resolved, those that go on
	// firing again and again. It must not block for long.
	Send func([]Alert)
	// Active says whether there is anything to look at; nil is always. Meanwhile
	// no condition holds.
	Active func() bool
	// Interval is the distance of evaluations where a group has none: 30 s.
	Interval time.Duration
	// Lookback is for how long a sample counts where nothing newer came: the
	// engine's own when 0.
	Lookback time.Duration
	// ExternalURL is where we are reached; links to expressions begin with it.
	ExternalURL string
	// Labels are added to all alerts.
	Labels     map[string]string
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// outage is for how long we may have been away and still know since when a
// condition has held.
const outage = time.Hour

// File is groups of rules by the name that they are shown with.
type File struct {
	Name   string
	Groups []rulefmt.RuleGroup
}

// Evaluator evaluates rules from Run on. Safe for concurrent use.
type Evaluator struct {
	ran      atomic.Bool
	interval time.Duration
	url      string
	labels   labels.Labels
	manager  *rules.Manager
	loader   *loader
}

// New makes an evaluator without rules.
func New(o Options) (*Evaluator, error) {
	if o.Engine == nil || o.Queryable == nil || o.Store == nil || o.Send == nil {
		return nil, errors.New("rule evaluation: want an engine, a queryable, a store and a receiver of alerts")
	}
	if o.Interval <= 0 {
		o.Interval = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	load := newLoader()
	return &Evaluator{
		interval: o.Interval, url: o.ExternalURL, labels: labels.FromMap(o.Labels), loader: load,
		manager: rules.NewManager(&rules.ManagerOptions{
			QueryFunc:  whenActive(o.Active, query(o.Engine, o.Queryable, o.Lookback)),
			NotifyFunc: send(o.Send, o.ExternalURL),
			Queryable:  o.Queryable, AppendableV2: o.Store,
			OutageTolerance: outage, ForGracePeriod: Grace(o.Interval), ResendDelay: 2 * o.Interval,
			GroupLoader: load, Parser: load.parser, Logger: o.Logger, Registerer: o.Registerer,
		}),
	}, nil
}

// Grace is for how long after a start an alert that fires may not be known yet,
// apart from what its own evaluation takes.
func Grace(interval time.Duration) time.Duration { return 2 * interval }

// Set replaces all rules. Alerts of groups that stay go on as they are. When a
// file is wrong nothing changes.
func (e *Evaluator) Set(files []File) error {
	names := e.loader.set(files)
	if err := e.manager.Update(e.interval, names, e.labels, e.url, nil); err != nil {
		return fmt.Errorf("rules: %w", err)
	}
	return nil
}

// Close ends what waits for Run, where that was never called.
func (e *Evaluator) Close() {
	if !e.ran.Swap(true) {
		go e.manager.Run() // Stop waits for groups, and they for Run
		e.manager.Stop()
	}
}

// Run evaluates until ctx ends.
func (e *Evaluator) Run(ctx context.Context) error {
	e.ran.Store(true)
	stop := context.AfterFunc(ctx, e.manager.Stop)
	defer stop()
	e.manager.Run()
	return nil
}

// RuleGroups are all groups with their states.
func (e *Evaluator) RuleGroups() []*rules.Group { return e.manager.RuleGroups() }

// AlertingRules are the rules that make alerts.
func (e *Evaluator) AlertingRules() []*rules.AlertingRule { return e.manager.AlertingRules() }

// whenActive finds nothing while it is not.
func whenActive(active func() bool, q rules.QueryFunc) rules.QueryFunc {
	if active == nil {
		return q
	}
	return func(ctx context.Context, expr string, t time.Time) (promql.Vector, error) {
		if !active() {
			return nil, nil
		}
		return q(ctx, expr, t)
	}
}

// query makes instant queries of an engine, with a lookback of our own.
func query(engine promql.QueryEngine, from storage.Queryable, lookback time.Duration) rules.QueryFunc {
	options := promql.NewPrometheusQueryOpts(false, lookback, nil)
	return func(ctx context.Context, expr string, t time.Time) (promql.Vector, error) {
		q, err := engine.NewInstantQuery(ctx, from, options, expr, t)
		if err != nil {
			return nil, err
		}
		defer q.Close()
		result := q.Exec(ctx)
		if result.Err != nil {
			return nil, result.Err
		}
		switch v := result.Value.(type) {
		case promql.Vector:
			return v, nil
		case promql.Scalar:
			return promql.Vector{{T: v.T, F: v.V, Metric: labels.EmptyLabels()}}, nil
		default:
			return nil, fmt.Errorf("rule %q is a %s: want a vector or a scalar", expr, v.Type())
		}
	}
}
