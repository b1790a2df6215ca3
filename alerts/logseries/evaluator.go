package logseries

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
)

const (
	// minute is what lines are counted in, where it is not made shorter.
	minute = time.Minute
	// minMinute is how short the minutes may be made.
	minMinute = time.Second
	// grace is how long after its end a minute is counted: what a collector ships
	// at once is there by then.
	grace = 10 * time.Second
	// late is how long after its minute a line still counts, with the minute in
	// which it arrives.
	late = 5 * time.Minute
	// remembered is how long a group without lines goes on with the value 0.
	remembered = time.Hour
	// maxGroups bounds the series of one definition.
	maxGroups = 2000
	// queryBound is how long one count may take.
	queryBound = 20 * time.Second
	// errorEvery is how seldom errors are logged.
	errorEvery = 5 * time.Minute
)

// clock is the constants above, divided for trials.
type clock struct {
	minute, grace, late, remembered time.Duration
	// scale makes the lines of a minute those of a whole one.
	scale float64
}

// newClock divides all by speed, as far as minutes may be divided.
func newClock(speed int) clock {
	by := min(time.Duration(max(speed, 1)), minute/minMinute)
	return clock{
		minute: (minute / by).Round(time.Millisecond), grace: grace / by, late: late / by, remembered: remembered / by,
		scale: float64(by),
	}
}

// Query is what to count: the lines that Of selects with From <= time < To.
type Query struct {
	Of       *Definition
	From, To time.Time
	// Before leaves out what was stored after that position.
	Before Position
	// Lines of LateFrom <= time < From count as well if they were stored at Since
	// or after.
	LateFrom time.Time
	Since    Position
}

// Position is between the lines that are stored and those to come; 0 is not
// known.
type Position int64

// Group is a number of lines that have the same values of the definition's By,
// in its order.
type Group struct {
	Values []string
	Count  int64
}

// Lines is a store of log lines.
type Lines interface {
	// Position is the present one.
	Position() Position
	Count(ctx context.Context, q Query) ([]Group, error)
}

// Options is what an evaluator is made of.
type Options struct {
	Lines Lines
	// Store takes the series.
	Store storage.Appendable
	// Speed makes minutes, and how long we wait for lines, so many times shorter,
	// for trials of rules; values are still lines a minute. 0 is 1.
	Speed      int
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Evaluator counts lines each minute. Its methods may be called at once.
type Evaluator struct {
	lines   Lines
	store   storage.Appendable
	log     *slog.Logger
	metrics *metrics
	clock   clock

	mu      sync.Mutex
	counted []*series // by definition
	since   Position  // of the last minute that was counted; 0 for none
	logged  time.Time // the last error
}

// series are those of a definition, by the values of its By.
type series struct {
	of     Definition
	groups map[string]*group
}

type group struct {
	labels labels.Labels
	// seen is the last minute that had lines.
	seen time.Time
}

// New makes an evaluator without definitions.
func New(o Options) (*Evaluator, error) {
	if o.Lines == nil || o.Store == nil {
		return nil, errors.New("log series: want lines and a store")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("metrics of log series: %w", err)
	}
	return &Evaluator{lines: o.Lines, store: o.Store, log: o.Logger, metrics: m, clock: newClock(o.Speed)}, nil
}

// Set replaces the definitions. The series of those that stay the same go on.
func (e *Evaluator) Set(definitions []Definition) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []*series
	for _, d := range definitions {
		i := slices.IndexFunc(e.counted, func(s *series) bool { return s.of.same(&d) })
		if i >= 0 {
			all = append(all, e.counted[i])
			continue
		}
		all = append(all, &series{of: d, groups: map[string]*group{}})
	}
	e.counted = all
	e.metrics.definitions.Set(float64(len(all)))
}

// Run counts each minute until ctx ends.
func (e *Evaluator) Run(ctx context.Context) error {
	defer e.metrics.set.Unregister()
	for {
		end := time.Now().Add(-e.clock.grace).Truncate(e.clock.minute).Add(e.clock.minute)
		wait := time.NewTimer(time.Until(end.Add(e.clock.grace)))
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil
		case <-wait.C:
			e.Evaluate(ctx, end)
		}
	}
}

// Evaluate counts the minute that ends there, and stores the numbers as of its
// end. What fails is logged, and left out of this minute alone.
func (e *Evaluator) Evaluate(ctx context.Context, end time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	begun := time.Now()
	q := Query{From: end.Add(-e.clock.minute), To: end, Before: e.lines.Position(), Since: e.since}
	q.LateFrom = q.From
	if e.since != 0 {
		q.LateFrom = q.From.Add(-e.clock.late)
	}
	app := e.store.Appender(ctx)
	for _, s := range e.counted {
		if err := e.count(ctx, s, q, app); err != nil {
			e.failed(s, err)
		}
	}
	if err := app.Commit(); err != nil {
		e.failed(nil, err)
	}
	e.since = q.Before
	e.metrics.seconds.Observe(time.Since(begun).Seconds())
}

func (e *Evaluator) failed(s *series, err error) {
	e.metrics.failures.Inc()
	if time.Since(e.logged) < errorEvery {
		return
	}
	e.logged = time.Now()
	name := ""
	if s != nil {
		name = s.of.Record
	}
	e.log.Error("log lines could not be counted", "series", name, "error", err)
}

// count appends a definition's numbers. The caller holds e.mu.
func (e *Evaluator) count(ctx context.Context, s *series, q Query, app storage.Appender) error {
	q.Of = &s.of
	ctx, cancel := context.WithTimeout(ctx, queryBound)
	defer cancel()
	groups, err := e.lines.Count(ctx, q)
	if err != nil {
		return err
	}
	counts := s.update(groups, q.To, e.metrics.dropped)
	var errs []error
	for key, g := range s.groups {
		v := float64(counts[key]) * e.clock.scale
		if q.To.Sub(g.seen) >= e.clock.remembered && len(s.of.By) > 0 {
			v = math.Float64frombits(value.StaleNaN)
			delete(s.groups, key)
		}
		if _, err := app.Append(0, g.labels, q.To.UnixMilli(), v); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", g.labels, err))
		}
	}
	return errors.Join(errs...)
}

// update remembers the groups that have lines, and returns the numbers by key.
func (s *series) update(found []Group, now time.Time, dropped prometheus.Counter) map[string]int64 {
	counts := make(map[string]int64, len(found))
	if len(s.of.By) == 0 && len(found) == 0 {
		found = []Group{{}} // one series, which is never absent
	}
	for _, g := range found {
		key := strings.Join(g.Values, "\xff")
		known := s.groups[key]
		if known == nil {
			if len(s.groups) >= maxGroups {
				dropped.Inc()
				continue
			}
			known = &group{labels: s.of.labels(g.Values)}
			s.groups[key] = known
		}
		known.seen = now
		counts[key] = g.Count
	}
	return counts
}

// labels are those of the series for values of By.
func (d *Definition) labels(values []string) labels.Labels {
	b := labels.NewBuilder(labels.FromMap(d.Labels))
	b.Set(model.MetricNameLabel, d.Record)
	for i, name := range d.By {
		b.Set(name, values[i]) // an empty one is no label
	}
	return b.Labels()
}
