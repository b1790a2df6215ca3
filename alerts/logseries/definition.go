// Package logseries counts log lines into series, so that alert rules can look
// at them as at anything else: "more than ten lines with timeout a minute in the
// namespace shop" is an ordinary rule on the series that a Definition records.
package logseries

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Definition is one kind of lines to count each minute.
type Definition struct {
	// Record is the name of the series; its value is the number of lines in the
	// minute that ends at the sample's time.
	Record string `yaml:"record"`

	// The lines that count: those that meet all conditions; of a list any value
	// will do, and an empty one means all.
	Namespaces  Values `yaml:"namespace"`
	Controllers Values `yaml:"controller"` // "KIND/NAME"
	Pods        Values `yaml:"pod"`
	Containers  Values `yaml:"container"`
	Nodes       Values `yaml:"node"`
	Streams     Values `yaml:"stream"`
	Levels      Values `yaml:"level"`
	// Text must occur in the line; Regex is an RE2 expression that must match
	// somewhere in it.
	Text       string `yaml:"text"`
	IgnoreCase bool   `yaml:"ignore_case"` // of Text
	Regex      string `yaml:"regex"`

	// By are the fields that make series of their own, and become labels.
	By []string `yaml:"by"`
	// Labels are added to all series.
	Labels map[string]string `yaml:"labels"`

	// Line is where the definition was read.
	Line int `yaml:"-"`
}

// Values are one or several, as YAML has them: a string or a list.
type Values []string

// UnmarshalYAML takes a string as a list of one.
func (v *Values) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*v = Values{node.Value}
		return nil
	}
	var list []string
	if err := node.Decode(&list); err != nil {
		return err
	}
	*v = list
	return nil
}

// fields are what lines can be grouped by.
var fields = []string{"namespace", "controller", "pod", "container", "node", "stream", "level"}

// levels are the names of levels; the empty one is of lines that state none.
var levels = []string{"", "trace", "debug", "info", "warn", "error", "fatal"}

var (
	seriesName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	labelName  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
)

// Check reports what is wrong with the definition.
func (d Definition) Check() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !seriesName.MatchString(d.Record) {
		fail("record: %q: want a name of letters, digits, _ and :", d.Record)
	}
	for _, name := range d.By {
		if !slices.Contains(fields, name) {
			fail("by: %q: want some of %s", name, strings.Join(fields, ", "))
		}
	}
	for _, level := range d.Levels {
		if !slices.Contains(levels, level) {
			fail("level: %q: want some of %s", level, strings.Join(levels[1:], ", "))
		}
	}
	if _, err := regexp.Compile(d.Regex); err != nil {
		fail("regex: %w", err)
	}
	for name := range d.Labels {
		if !labelName.MatchString(name) || slices.Contains(d.By, name) {
			fail("labels: %q: want a label name that by does not have", name)
		}
	}
	return errors.Join(errs...)
}

// Standard are the series that the standard rules look at: all lines, by who
// wrote them and how serious they are.
func Standard() []Definition {
	return []Definition{{Record: "log_lines:count1m", By: []string{"namespace", "controller", "level"}}}
}

// same reports that both make the same series of the same lines.
func (d *Definition) same(other *Definition) bool {
	a, b := *d, *other
	a.Line, b.Line = 0, 0
	return reflect.DeepEqual(a, b)
}
