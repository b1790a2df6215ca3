package ruletest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"

	own "github.com/lubberline/lubberline/alerts/rules"
)

// Run runs a file's tests. Each error names the test and what was found instead.
func Run(path string) error {
	f, err := Read(path)
	if err != nil {
		return err
	}
	groups, err := f.load()
	if err != nil {
		return err
	}
	var errs []error
	for i := range f.Tests {
		t := &f.Tests[i]
		if t.Name == "" {
			t.Name = fmt.Sprintf("test %d", i+1)
		}
		if err := f.run(t, groups); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", path, t.Name, err))
		}
	}
	return errors.Join(errs...)
}

// load reads all rule files; what is wrong in one fails the tests.
func (f *File) load() (map[string]*rulefmt.RuleGroups, error) {
	all := map[string]*rulefmt.RuleGroups{}
	for _, path := range f.RuleFiles {
		read := own.LoadFile(path)
		for _, p := range read.Problems {
			return nil, p
		}
		all[path] = &rulefmt.RuleGroups{Groups: read.Groups}
	}
	return all, nil
}

// loader gives the rules' manager what was read.
type loader map[string]*rulefmt.RuleGroups

func (l loader) Load(path string, _ bool, _ model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	return l[path], nil
}

func (loader) Parse(query string) (parser.Expr, error) { return queries().ParseExpr(query) }

func queries() parser.Parser { return parser.NewParser(parser.Options{}) }

// session is one test being run.
type session struct {
	file   *File
	test   *Test
	data   *promqltest.LazyLoader
	groups []*rules.Group
	errs   []error
}

func (f *File) run(t *Test, files map[string]*rulefmt.RuleGroups) error {
	if t.Interval == 0 {
		t.Interval = f.EvaluationInterval
	}
	data, err := promqltest.NewLazyLoader(t.input(), promqltest.LazyLoaderOpts{
		EnableAtModifier: true, EnableNegativeOffset: true, StartTime: t.Start.Time, Parser: queries(),
	})
	if err != nil {
		return err
	}
	defer data.Close()
	data.SubqueryInterval = time.Duration(f.EvaluationInterval)
	s := &session{file: f, test: t, data: data}
	if err := s.build(files); err != nil {
		return err
	}
	s.evaluate()
	for i := range t.Expressions {
		if err := s.checkExpression(&t.Expressions[i]); err != nil {
			s.errs = append(s.errs, err)
		}
	}
	return errors.Join(s.errs...)
}

// input is what the loader of test data reads.
func (t *Test) input() string {
	var b strings.Builder
	fmt.Fprintf(&b, "load %s\n", t.Interval)
	for _, s := range t.Input {
		fmt.Fprintf(&b, "  %s %s\n", s.Series, s.Values)
	}
	return b.String()
}

func (s *session) build(files map[string]*rulefmt.RuleGroups) error {
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:    rules.EngineQueryFunc(s.data.QueryEngine(), s.data.Storage()),
		AppendableV2: s.data.Storage(), Queryable: s.data.Storage(), Context: context.Background(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Logger:     promslog.NewNopLogger(), GroupLoader: loader(files), Parser: queries(),
	})
	loaded, errs := manager.LoadGroups(time.Duration(s.test.Interval), labels.FromMap(s.test.ExternalLabels), s.test.ExternalURL, nil, false, s.file.RuleFiles...)
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for _, g := range loaded {
		s.groups = append(s.groups, g)
		for _, r := range g.AlertingRules() {
			r.SetRestored(true) // or else they make no ALERTS series
		}
	}
	slices.SortFunc(s.groups, func(a, b *rules.Group) int {
		if by := s.place(a.Name()) - s.place(b.Name()); by != 0 {
			return by
		}
		return strings.Compare(a.Name(), b.Name())
	})
	return nil
}

func (s *session) place(group string) int { return slices.Index(s.file.GroupEvalOrder, group) }

// evaluate steps through the test's time, and compares the alerts where the test
// asks.
func (s *session) evaluate() {
	step, start := time.Duration(s.file.EvaluationInterval), s.test.start()
	for at := time.Duration(0); at <= s.test.last(); at += step {
		var failed []error
		s.data.WithSamplesTill(start.Add(at), func(err error) {
			if err != nil {
				failed = append(failed, err)
				return
			}
			failed = append(failed, s.step(start.Add(at), at)...)
		})
		if len(failed) > 0 {
			s.errs = append(s.errs, failed...)
			return
		}
		for i := range s.test.Alerts {
			if c := &s.test.Alerts[i]; at <= time.Duration(c.Time) && time.Duration(c.Time) < at+step {
				s.checkAlerts(c)
			}
		}
	}
}

func (s *session) step(now time.Time, at time.Duration) []error {
	var failed []error
	for _, g := range s.groups {
		g.Eval(s.data.Context(), now)
		for _, r := range g.Rules() {
			if err := r.LastError(); err != nil {
				failed = append(failed, fmt.Errorf("at %s: rule %s: %w", model.Duration(at), r.Name(), err))
			}
		}
	}
	return failed
}

func (s *session) checkAlerts(c *AlertCase) {
	var got, want []string
	for _, g := range s.groups {
		for _, r := range g.AlertingRules() {
			if r.Name() != c.Name {
				continue
			}
			for _, a := range r.ActiveAlerts() {
				if a.State == rules.StateFiring {
					got = append(got, a.Labels.String()+" "+a.Annotations.String())
				}
			}
		}
	}
	for _, a := range c.Alerts {
		want = append(want, withName(a.Labels, c.Name).String()+" "+labels.FromMap(a.Annotations).String())
	}
	if err := same(want, got); err != nil {
		s.errs = append(s.errs, fmt.Errorf("at %s: alert %s: %w", c.Time, c.Name, err))
	}
}

func same(want, got []string) error {
	slices.Sort(want)
	slices.Sort(got)
	if slices.Equal(want, got) {
		return nil
	}
	return fmt.Errorf("\n  want %s\n  got  %s", listed(want), listed(got))
}

func listed(all []string) string {
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, "\n       ")
}

func (s *session) checkExpression(c *ExpressionCase) error {
	query, err := s.data.QueryEngine().NewInstantQuery(s.data.Context(), s.data.Queryable(), nil, c.Expr, s.test.start().Add(time.Duration(c.Time)))
	if err != nil {
		return fmt.Errorf("%s: %w", c.Expr, err)
	}
	defer query.Close()
	result := query.Exec(s.data.Context())
	if result.Err != nil {
		return fmt.Errorf("%s: %w", c.Expr, result.Err)
	}
	var got, want []string
	switch v := result.Value.(type) {
	case promql.Vector:
		for _, sample := range v {
			got = append(got, s.written(sample.Metric, sample.F))
		}
	case promql.Scalar:
		got = append(got, s.written(labels.EmptyLabels(), v.V))
	default:
		return fmt.Errorf("%s: gives a %s, not a vector or scalar", c.Expr, result.Value.Type())
	}
	for _, sample := range c.Samples {
		of, err := queries().ParseMetric(sample.Labels)
		if err != nil {
			return fmt.Errorf("%s: labels %q: %w", c.Expr, sample.Labels, err)
		}
		want = append(want, s.written(of, sample.Value))
	}
	if err := same(want, got); err != nil {
		return fmt.Errorf("at %s: %s: %w", c.Time, c.Expr, err)
	}
	return nil
}

// written is a sample as text, without the last bits where those do not count.
func (s *session) written(of labels.Labels, v float64) string {
	if s.file.FuzzyCompare && !math.IsNaN(v) && !math.IsInf(v, 0) {
		return fmt.Sprintf("%s %.14g", of, v)
	}
	return fmt.Sprintf("%s %g", of, v)
}
