package rules

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

func promQL() parser.Parser { return parser.NewParser(parser.Options{}) }

func parseGroups(text []byte) ([]rulefmt.RuleGroup, []error) {
	parsed, errs := rulefmt.Parse(text, false, model.UTF8Validation, promQL(), promslog.NewNopLogger())
	if len(errs) > 0 {
		return nil, errs
	}
	return parsed.Groups, nil
}

// groups reads the file's own groups, which end before a line. When one is wrong
// they are read one by one, so that the others stay.
func (f *File) groups(text []byte, key, list *yaml.Node, end int) {
	if list.Kind != yaml.SequenceNode {
		f.fail(Problem{Line: list.Line, Message: "groups: want a list"})
		return
	}
	section := lines(text, key.Line, end)
	good, errs := parseGroups(section)
	if len(errs) == 0 {
		f.take(good, list)
		return
	}
	if len(list.Content) < 2 || list.Content[0].Line == key.Line {
		for _, err := range errs {
			f.fail(ruleProblem(err, list))
		}
		return
	}
	for i, node := range list.Content {
		last := end
		if i+1 < len(list.Content) {
			last = list.Content[i+1].Line
		}
		f.group(alone(section, key.Line, node.Line, last), node, list)
	}
}

// group reads one group from a text that has no other.
func (f *File) group(text []byte, node, list *yaml.Node) {
	good, errs := parseGroups(text)
	for _, err := range errs {
		f.fail(ruleProblem(err, list))
	}
	for _, g := range good {
		if _, twice := f.lines[g.Name]; twice {
			f.fail(Problem{Line: node.Line, Message: fmt.Sprintf("group %q is in the file already", g.Name)})
			continue
		}
		f.take([]rulefmt.RuleGroup{g}, list)
	}
}

// take keeps groups, and where their rules are in the file's list of groups.
func (f *File) take(groups []rulefmt.RuleGroup, list *yaml.Node) {
	for _, g := range groups {
		f.lines[g.Name] = []int{}
		f.Groups = append(f.Groups, g)
	}
	for _, node := range list.Content {
		name, rules := valueOf(node, "name"), valueOf(node, "rules")
		if name == nil || rules == nil || f.lines[name.Value] == nil || len(f.lines[name.Value]) > 0 {
			continue
		}
		for _, rule := range rules.Content {
			f.lines[name.Value] = append(f.lines[name.Value], rule.Line)
		}
	}
}

// lineOf is where a rule begins, 0 when that is not known.
func (f *File) lineOf(group string, rule int) int {
	if lines := f.lines[group]; rule < len(lines) {
		return lines[rule]
	}
	return 0
}

// lines empties all lines of a text but those from first to before end, where 0
// is the text's end: the others keep their numbers.
func lines(text []byte, first, end int) []byte {
	all := bytes.Split(text, []byte("\n"))
	for i := range all {
		if n := i + 1; n < first || end > 0 && n >= end {
			all[i] = nil
		}
	}
	return bytes.Join(all, []byte("\n"))
}

// alone leaves of a section its key's line, and the lines of one entry.
func alone(section []byte, key, first, end int) []byte {
	entry := bytes.Split(lines(section, first, end), []byte("\n"))
	entry[key-1] = bytes.Split(section, []byte("\n"))[key-1]
	return bytes.Join(entry, []byte("\n"))
}

// ruleProblem finds the line of an error of Prometheus's parser: it names it, or
// else the group and the number of the rule.
func ruleProblem(err error, list *yaml.Node) Problem {
	p := located(ruleLine, err.Error())
	if p.Line == 0 {
		p = yamlError(err)
	}
	var of *rulefmt.Error
	if p.Line > 0 {
		return p
	}
	if !errors.As(err, &of) {
		p.Line = lineOfValue(list, p.Message)
		return p
	}
	for _, group := range list.Content {
		name, rules := valueOf(group, "name"), valueOf(group, "rules")
		if name != nil && name.Value == of.Group && rules != nil && of.Rule <= len(rules.Content) {
			p.Line = rules.Content[of.Rule-1].Line
		}
	}
	return p
}

// valueOf is the value of a key in a mapping, nil when it has none.
func valueOf(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}
