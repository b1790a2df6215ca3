package rules

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/model/rulefmt"
)

// Comparison is an alert of a member that is far from its peers, measured in
// median absolute deviations: one that strays does not move what is usual.
type Comparison struct {
	Alerting `yaml:",inline"`
	// Within are the labels whose values peers share; empty compares all series.
	Within []string `yaml:"within"`
	// Deviations is how many deviations are too far, 5 when 0.
	Deviations float64 `yaml:"deviations"`
	// MinChange is the least part of the median that counts as far, 0.25 when 0.
	MinChange float64 `yaml:"min_change"`
	// MinMembers is how many peers there must be, 4 when 0.
	MinMembers int       `yaml:"min_members"`
	Direction  Direction `yaml:"direction"`
}

// Check reports what is wrong with the declaration.
func (c Comparison) Check() error {
	errs := []error{c.check(), c.Direction.check()}
	if c.MinMembers != 0 && c.MinMembers < 3 {
		errs = append(errs, fmt.Errorf("min_members: %d: want at least 3: of two none is the odd one", c.MinMembers))
	}
	if c.Deviations < 0 || c.MinChange < 0 {
		errs = append(errs, fmt.Errorf("deviations: %g, min_change: %g: want positive numbers", c.Deviations, c.MinChange))
	}
	for _, l := range c.Within {
		if !alertName.MatchString(l) {
			errs = append(errs, fmt.Errorf("within: %q is no label name", l))
		}
	}
	return errors.Join(errs...)
}

func (c Comparison) withDefaults() Comparison {
	if c.Deviations == 0 {
		c.Deviations = 5
	}
	if c.MinChange == 0 {
		c.MinChange = 0.25
	}
	if c.MinMembers == 0 {
		c.MinMembers = 4
	}
	return c
}

// toSigma makes a median absolute deviation comparable with a standard deviation
// where values are distributed normally.
const toSigma = 1.4826

// Groups are the rules that the declaration stands for: recordings of the value,
// the median and the median absolute deviation, and the alert.
func (c Comparison) Groups() []rulefmt.RuleGroup {
	c = c.withDefaults()
	name := func(what string) string { return "peers:" + c.Alert + ":" + what }
	by, join := "", "on () group_left ()"
	if len(c.Within) > 0 {
		list := strings.Join(c.Within, ", ")
		by, join = "by ("+list+") ", "on ("+list+") group_left ()"
	}
	distance := name("value") + " - " + join + " " + name("median")
	alert := c.rule(c.condition(name, by, join, distance),
		c.Alert+": "+eachLabel+"is at {{ $value | humanize }}, far from its peers",
		fmt.Sprintf("The value is over %g median absolute deviations away from the median of its peers: %s", c.Deviations, c.Expr))
	return []rulefmt.RuleGroup{{Name: c.Alert, Rules: []rulefmt.Rule{
		{Record: name("value"), Expr: c.Expr},
		{Record: name("median"), Expr: "quantile " + by + "(0.5, " + name("value") + ")"},
		{Record: name("mad"), Expr: "quantile " + by + "(0.5, abs(" + distance + "))"},
		alert,
	}}}
}

func (c Comparison) condition(name func(string) string, by, join, distance string) string {
	switch c.Direction {
	case Up:
	case Down:
		distance = "-(" + distance + ")"
	default:
		distance = "abs(" + distance + ")"
	}
	return fmt.Sprintf("%s and (%s > %s (%g * %s)) and (%s > %s (%g * abs(%s))) and %s (count %s(%s) >= %d)",
		name("value"), distance, join, c.Deviations*toSigma, name("mad"),
		distance, join, c.MinChange, name("median"),
		strings.TrimSuffix(join, " group_left ()"), by, name("value"), c.MinMembers)
}
