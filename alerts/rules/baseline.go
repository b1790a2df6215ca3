package rules

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
)

// Alerting is what every declared alert has.
type Alerting struct {
	// Alert is its name.
	Alert string `yaml:"alert"`
	// Expr is what is watched: PromQL that gives a series for each thing.
	Expr string         `yaml:"expr"`
	For  model.Duration `yaml:"for"`
	// Labels and Annotations are added to the alert, and win over ours.
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// eachLabel is a template of all labels of an alert, each followed by a space.
const eachLabel = `{{ range $name, $value := $labels }}{{ if and (ne $name "alertname") (ne $name "__name__") }}{{ $name }}={{ $value }} {{ end }}{{ end }}`

var alertName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// check reports what is wrong with it.
func (a *Alerting) check() error {
	if !alertName.MatchString(a.Alert) {
		return fmt.Errorf("alert: %q: want a name of letters, digits and _", a.Alert)
	}
	if a.Expr == "" {
		return errors.New("expr: missing")
	}
	expr, err := promQL().ParseExpr(a.Expr)
	if err != nil {
		return fmt.Errorf("expr: %w", err)
	}
	if expr.Type() != "vector" {
		return fmt.Errorf("expr: %s: want an instant vector, not a %s", a.Expr, expr.Type())
	}
	return nil
}

// rule makes the alert of an expression.
func (a *Alerting) rule(expr, summary, why string) rulefmt.Rule {
	r := rulefmt.Rule{
		Alert: a.Alert, Expr: expr, For: a.For, Labels: map[string]string{"severity": string(Warning)},
		Annotations: map[string]string{"summary": summary, "description": why},
	}
	maps.Copy(r.Labels, a.Labels)
	maps.Copy(r.Annotations, a.Annotations)
	return r
}

// Direction says which way a value must not stray.
type Direction string

// Directions; the empty one is Both.
const (
	Both Direction = "both"
	Up   Direction = "up"
	Down Direction = "down"
)

func (d Direction) check() error {
	switch d {
	case "", Both, Up, Down:
		return nil
	}
	return fmt.Errorf("direction: %q: want up, down or both", d)
}

// Baseline is an alert of what is not as it was at the same hour of past days.
type Baseline struct {
	Alerting `yaml:",inline"`
	// Days is how many past days count, 7 when 0; MinDays is how many must be
	// there, 3 when 0 or Days when that is less.
	Days    int `yaml:"days"`
	MinDays int `yaml:"min_days"`
	// Deviations is how many standard deviations of those hours are too far, 3
	// when 0.
	Deviations float64 `yaml:"deviations"`
	// MinChange is the least part of the mean that counts as a change, 0.2 when 0:
	// what never varies would otherwise alert at a trifle.
	MinChange float64   `yaml:"min_change"`
	Direction Direction `yaml:"direction"`
}

// Check reports what is wrong with the declaration.
func (b Baseline) Check() error {
	errs := []error{b.check(), b.Direction.check()}
	if b.Days < 0 || b.Days > 60 {
		errs = append(errs, fmt.Errorf("days: %d: want 1 to 60", b.Days))
	}
	if b.MinDays < 0 || b.MinDays > b.withDefaults().Days {
		errs = append(errs, fmt.Errorf("min_days: %d: want 1 to %d", b.MinDays, b.withDefaults().Days))
	}
	if b.Deviations < 0 || b.MinChange < 0 {
		errs = append(errs, fmt.Errorf("deviations: %g, min_change: %g: want positive numbers", b.Deviations, b.MinChange))
	}
	return errors.Join(errs...)
}

func (b Baseline) withDefaults() Baseline {
	if b.Days == 0 {
		b.Days = 7
	}
	if b.MinDays == 0 {
		b.MinDays = min(3, b.Days)
	}
	if b.Deviations == 0 {
		b.Deviations = 3
	}
	if b.MinChange == 0 {
		b.MinChange = 0.2
	}
	return b
}

// baselineInterval is how often what was usual is computed again.
const baselineInterval = 5 * time.Minute

// dayLabel tells the past days apart while they are put together.
const dayLabel = "baseline_day"

// Groups are the rules that the declaration stands for: recordings of the mean
// and the standard deviation of the hour around this time of day, on the past
// days together, and the alert. Both are recorded seldom: they read a lot.
func (b Baseline) Groups() []rulefmt.RuleGroup {
	b = b.withDefaults()
	mean, deviation := "baseline:"+b.Alert+":mean", "baseline:"+b.Alert+":stddev"
	means, variances := b.days("avg_over_time"), b.days("stdvar_over_time")
	past := rulefmt.RuleGroup{Name: b.Alert + "-baseline", Interval: model.Duration(baselineInterval), Rules: []rulefmt.Rule{
		{Record: mean, Expr: fmt.Sprintf("avg without (%s) (%s) and count without (%s) (%s) >= %d", dayLabel, means, dayLabel, means, b.MinDays)},
		{Record: deviation, Expr: fmt.Sprintf("sqrt(avg without (%s) (%s) + stdvar without (%s) (%s))", dayLabel, variances, dayLabel, means)},
	}}
	alert := b.rule(b.condition(mean, deviation),
		b.Alert+": "+eachLabel+"is at {{ $value | humanize }}, which it is not at this hour of other days",
		fmt.Sprintf("The value is over %g standard deviations away from the mean of this hour on the past %d days: %s", b.Deviations, b.Days, b.Expr))
	return []rulefmt.RuleGroup{past, {Name: b.Alert, Rules: []rulefmt.Rule{alert}}}
}

// days puts the hours around this time of day of all past days side by side.
func (b Baseline) days(over string) string {
	parts := make([]string, b.Days)
	for i := range parts {
		offset := time.Duration(i+1)*24*time.Hour - 30*time.Minute
		parts[i] = fmt.Sprintf(`label_replace(%s((%s)[1h:5m] offset %s), "%s", "%d", "", "")`,
			over, b.Expr, model.Duration(offset), dayLabel, i+1)
	}
	return strings.Join(parts, " or ")
}

func (b Baseline) condition(mean, deviation string) string {
	far := func(distance string) string {
		return fmt.Sprintf("(%s) > %g * %s and (%s) > %g * abs(%s)", distance, b.Deviations, deviation, distance, b.MinChange, mean)
	}
	value := "(" + b.Expr + ")"
	switch b.Direction {
	case Up:
		return value + " and (" + far(value+" - "+mean) + ")"
	case Down:
		return value + " and (" + far(mean+" - "+value) + ")"
	default:
		return value + " and (" + far("abs("+value+" - "+mean+")") + ")"
	}
}
