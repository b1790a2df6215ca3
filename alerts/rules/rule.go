package rules

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/lubberline/lubberline/catalog"
)

// Severity says whom an alert is for.
type Severity string

// Severities: Critical wakes somebody, Warning waits for the morning, Info is
// shown and explains others. None is for what always fires.
const (
	Critical Severity = "critical"
	Warning  Severity = "warning"
	Info     Severity = "info"
	None     Severity = "none"
)

// Condition compares the value of an expression with a threshold in the rule's
// unit. The zero value compares nothing: then whatever the expression returns is
// wrong.
type Condition struct {
	Op        string // ">", ">=", "<" or "<="
	Threshold float64
}

func above(threshold float64) Condition   { return Condition{">", threshold} }
func atLeast(threshold float64) Condition { return Condition{">=", threshold} }
func below(threshold float64) Condition   { return Condition{"<", threshold} }

// Rule is one alert.
type Rule struct {
	// Name is the alert's, and that of its page in docs/runbooks.
	Name string
	// Of is what the alert is about.
	Of Object
	// Says goes on after the object's name; {value} stands for the value.
	Says string
	// Unit is that of the expression's value.
	Unit catalog.Unit
	// Why says what follows from it, in a sentence or two.
	Why string

	// Expr is PromQL without the comparison of When. Spans of time in it are written
	// as durations, "10m" and not 600.
	Expr string
	When Condition
	// For is how long the condition must hold; KeepFiringFor how long the alert
	// goes on after it holds no more, for what flaps.
	For, KeepFiringFor time.Duration
	Severity           Severity

	// Heapster is the same on Heapster's schema in InfluxDB; nil where that
	// cannot say it.
	Heapster *HeapsterRule
}

// Topic is a group of rules: one file, evaluated in order.
type Topic struct {
	Name  string
	Rules []Rule
}

// Standard is the whole shipped set. The slice is the caller's.
func Standard() []Topic {
	return []Topic{
		{"containers", containerRules()},
		{"pods", podRules()},
		{"controllers", controllerRules()},
		{"nodes", nodeRules()},
		{"capacity", capacityRules()},
		{"volumes", volumeRules()},
		{"logs", logRules()},
		{"pipeline", pipelineRules()},
		{"platform", platformRules()},
	}
}

var setOperator = regexp.MustCompile(`\s(and|or|unless)\s`)

// Query is the whole expression.
func (r *Rule) Query() string {
	if r.When.Op == "" {
		return r.Expr
	}
	expr := r.Expr
	if setOperator.MatchString(expr) { // binds weaker than a comparison
		expr = "(" + expr + ")"
	}
	return expr + " " + r.When.Op + " " + r.threshold()
}

// threshold is a duration where the rule's unit is seconds: so a trial at a higher
// speed knows it from other numbers.
func (r *Rule) threshold() string {
	if r.Unit == catalog.Seconds {
		return model.Duration(r.When.Threshold * float64(time.Second)).String()
	}
	return strconv.FormatFloat(r.When.Threshold, 'f', -1, 64)
}

// Summary is the template of the line that names the thing and the value.
func (r *Rule) Summary() string {
	said := strings.ReplaceAll(r.Says, "{value}", valueTemplate(r.Unit))
	if r.Of.Name == "" {
		return r.Of.Kind + " " + said
	}
	return r.Of.Kind + " " + r.Of.Name + " " + said
}

// valueTemplate writes a value of that unit as people do.
func valueTemplate(unit catalog.Unit) string {
	switch unit {
	case catalog.Ratio:
		return "{{ $value | humanizePercentage }}"
	case catalog.Bytes:
		return "{{ $value | humanize1024 }}B"
	case catalog.Seconds:
		return "{{ $value | humanizeDuration }}"
	default:
		return `{{ printf "%.0f" $value }}`
	}
}
