package notify

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/alertmanager/config"
	"go.yaml.in/yaml/v3"
)

// nodes is a configuration as a tree that knows its lines.
type nodes struct{ top *yaml.Node }

func parseNodes(text []byte) (nodes, bool) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil || root.Kind == 0 || root.Content[0].Kind != yaml.MappingNode {
		return nodes{}, false
	}
	return nodes{root.Content[0]}, true
}

// child is the value of a mapping's key, nil when there is none.
func child(of *yaml.Node, key string) *yaml.Node {
	if of == nil || of.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(of.Content); i += 2 {
		if of.Content[i].Value == key {
			return of.Content[i+1]
		}
	}
	return nil
}

func elements(of *yaml.Node) []*yaml.Node {
	if of == nil || of.Kind != yaml.SequenceNode {
		return nil
	}
	return of.Content
}

func (n nodes) receiver(name string) *yaml.Node {
	for _, r := range elements(child(n.top, "receivers")) {
		if v := child(r, "name"); v != nil && v.Value == name {
			return r
		}
	}
	return nil
}

var (
	yamlLine = regexp.MustCompile(`line (\d+): *`)
	quoted   = regexp.MustCompile(`"([^"]+)"`)
)

// locate finds the line of what Alertmanager says is wrong. It names lines only
// for what has the wrong form; for the rest the parts are tried one by one.
func locate(path string, text []byte, err error) *Problem {
	message := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n  ")
	if at := yamlLine.FindStringSubmatchIndex(message); at != nil {
		rest := strings.ReplaceAll(message[:at[0]]+message[at[1]:], "\n  ", "; ")
		return &Problem{Path: path, Line: atoi(message[at[2]:at[3]]), Err: errors.New(rest)}
	}
	p := &Problem{Path: path, Err: err}
	if doc, ok := parseNodes(text); ok {
		if node := doc.culprit(err.Error()); node != nil {
			p.Line = node.Line
		}
	}
	return p
}

// culprit is the smallest part that is refused on its own with that message, or
// that has the name which the message quotes.
func (n nodes) culprit(message string) *yaml.Node {
	for _, r := range elements(child(n.top, "receivers")) {
		if !n.refused(message, "receivers", r) {
			continue
		}
		return n.integration(message, r)
	}
	for _, key := range []string{"inhibit_rules", "time_intervals", "mute_time_intervals"} {
		for _, part := range elements(child(n.top, key)) {
			if n.refused(message, key, part) {
				return part
			}
		}
	}
	route := child(n.top, "route")
	if q := quoted.FindStringSubmatch(message); q != nil {
		among := n.top
		if strings.HasSuffix(message, "in route") {
			among = route
		}
		if found := last(among, q[1]); found != nil {
			return found
		}
	}
	if route == nil {
		return n.top
	}
	return n.route(message, route)
}

// integration is the part of a receiver that is refused.
func (n nodes) integration(message string, r *yaml.Node) *yaml.Node {
	for i := 0; i+1 < len(r.Content); i += 2 {
		for _, one := range elements(r.Content[i+1]) {
			alone := mapping("name", scalar("x"), r.Content[i].Value, sequence(one))
			if n.refused(message, "receivers", alone) {
				return one
			}
		}
	}
	return r
}

// route is the innermost route that is refused.
func (n nodes) route(message string, route *yaml.Node) *yaml.Node {
	for _, below := range elements(child(route, "routes")) {
		top := mapping("receiver", scalar("x"), "routes", sequence(below))
		doc := mapping("route", top, "receivers", n.withX())
		if fails(doc, message) {
			return n.route(message, below)
		}
	}
	return route
}

// withX are the receivers by name alone, and one more.
func (n nodes) withX() *yaml.Node {
	all := sequence(mapping("name", scalar("x")))
	for _, r := range elements(child(n.top, "receivers")) {
		if name := child(r, "name"); name != nil {
			all.Content = append(all.Content, mapping("name", name))
		}
	}
	return all
}

// refused reports that a part is refused with the message even when it is alone.
func (n nodes) refused(message, key string, part *yaml.Node) bool {
	receivers := sequence(mapping("name", scalar("nowhere but here")))
	doc := mapping("route", mapping("receiver", scalar("nowhere but here")), "receivers", receivers)
	if key == "receivers" {
		receivers.Content = append(receivers.Content, part)
	} else {
		doc.Content = append(doc.Content, scalar(key), sequence(part))
	}
	if global := child(n.top, "global"); global != nil {
		doc.Content = append(doc.Content, scalar("global"), global)
	}
	return fails(doc, message)
}

func fails(doc *yaml.Node, message string) bool {
	var text bytes.Buffer
	if err := yaml.NewEncoder(&text).Encode(doc); err != nil {
		return false
	}
	_, err := config.Load(text.String())
	return err != nil && err.Error() == message
}

// last is the last scalar with that value.
func last(below *yaml.Node, value string) *yaml.Node {
	if below == nil {
		return nil
	}
	if below.Kind == yaml.ScalarNode && below.Value == value {
		return below
	}
	for _, node := range slices.Backward(below.Content) {
		if found := last(node, value); found != nil {
			return found
		}
	}
	return nil
}

func scalar(value string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: value} }

func sequence(all ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Content: all}
}

func mapping(pairs ...any) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i+1 < len(pairs); i += 2 {
		m.Content = append(m.Content, scalar(pairs[i].(string)), pairs[i+1].(*yaml.Node))
	}
	return m
}
