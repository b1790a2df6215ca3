// Package ruletest runs unit tests of rules in promtool's format
// (https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/).
// Files of rules may have the declarations of package rules as well.
package ruletest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"go.yaml.in/yaml/v3"
)

// File is a file of unit tests.
type File struct {
	// RuleFiles are globs, relative to the file.
	RuleFiles          []string       `yaml:"rule_files"`
	EvaluationInterval model.Duration `yaml:"evaluation_interval"`
	// GroupEvalOrder names groups in the order of their evaluation; the others
	// come first.
	GroupEvalOrder []string `yaml:"group_eval_order"`
	// FuzzyCompare takes values as equal that differ in the last bit.
	FuzzyCompare bool   `yaml:"fuzzy_compare"`
	Tests        []Test `yaml:"tests"`
}

// Test is input series and what is expected of the rules at times after their
// start.
type Test struct {
	Name string `yaml:"name"`
	// Interval is the distance of the samples of the input.
	Interval       model.Duration    `yaml:"interval"`
	Input          []Series          `yaml:"input_series"`
	Alerts         []AlertCase       `yaml:"alert_rule_test"`
	Expressions    []ExpressionCase  `yaml:"promql_expr_test"`
	ExternalLabels map[string]string `yaml:"external_labels"`
	ExternalURL    string            `yaml:"external_url"`
	Start          Start             `yaml:"start_timestamp"`
}

// Series is a series with values in the short notation ("1+2x10 _x3 stale").
type Series struct {
	Series string `yaml:"series"`
	Values string `yaml:"values"`
}

// AlertCase is which alerts of a name fire at a time: these and no others.
type AlertCase struct {
	Time   model.Duration `yaml:"eval_time"`
	Name   string         `yaml:"alertname"`
	Alerts []Alert        `yaml:"exp_alerts"`
}

// Alert is one that is expected; alertname need not be among its labels.
type Alert struct {
	Labels      map[string]string `yaml:"exp_labels"`
	Annotations map[string]string `yaml:"exp_annotations"`
}

// ExpressionCase is what an expression gives at a time.
type ExpressionCase struct {
	Expr    string         `yaml:"expr"`
	Time    model.Duration `yaml:"eval_time"`
	Samples []Sample       `yaml:"exp_samples"`
}

// Sample is one that is expected.
type Sample struct {
	Labels string  `yaml:"labels"`
	Value  float64 `yaml:"value"`
}

// Start is a moment in RFC 3339 or in seconds since the epoch.
type Start struct{ time.Time }

// UnmarshalYAML reads either form.
func (s *Start) UnmarshalYAML(node *yaml.Node) error {
	if t, err := time.Parse(time.RFC3339, node.Value); err == nil {
		s.Time = t.UTC()
		return nil
	}
	var seconds float64
	if err := node.Decode(&seconds); err != nil {
		return fmt.Errorf("line %d: start_timestamp %q: want RFC 3339 or seconds", node.Line, node.Value)
	}
	s.Time = time.UnixMilli(int64(seconds * 1000)).UTC()
	return nil
}

// Read reads a file strictly and resolves its rule files.
func Read(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &File{EvaluationInterval: model.Duration(time.Minute)}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(f); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if f.EvaluationInterval <= 0 {
		return nil, fmt.Errorf("%s: evaluation_interval: %s: want more than 0", path, f.EvaluationInterval)
	}
	return f, f.resolve(path)
}

func (f *File) resolve(path string) error {
	var all []string
	for _, pattern := range f.RuleFiles {
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(filepath.Dir(path), pattern)
		}
		found, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("%s: rule file %q: %w", path, pattern, err)
		}
		if len(found) == 0 {
			return fmt.Errorf("%s: no rule file matches %q", path, pattern)
		}
		all = append(all, found...)
	}
	f.RuleFiles = all
	return nil
}

// last is the latest time that a test looks at.
func (t *Test) last() time.Duration {
	var last model.Duration
	for _, c := range t.Alerts {
		last = max(last, c.Time)
	}
	for _, c := range t.Expressions {
		last = max(last, c.Time)
	}
	return time.Duration(last)
}

// start is when the input begins.
func (t *Test) start() time.Time {
	if t.Start.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return t.Start.Time
}

func withName(of map[string]string, name string) labels.Labels {
	b := labels.NewBuilder(labels.FromMap(of))
	b.Set(labels.AlertName, name)
	return b.Labels()
}
