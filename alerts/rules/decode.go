package rules

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// declaration is one entry of a list of ours.
type declaration interface{ Check() error }

// each decodes the entries of a list strictly, and gives the good ones to use.
func each[T declaration](f *File, list *yaml.Node, use func(entry T, line int) error) {
	if list.Kind != yaml.SequenceNode {
		f.fail(Problem{Line: list.Line, Message: "want a list"})
		return
	}
	for _, node := range list.Content {
		var entry T
		if problem := decodeStrictly(node, &entry); problem != nil {
			f.fail(*problem)
			continue
		}
		err := entry.Check()
		if err == nil {
			err = use(entry, node.Line)
		}
		if err != nil {
			f.fail(Problem{Line: node.Line, Message: err.Error()})
		}
	}
}

// decodeStrictly decodes a mapping and names the line of what is wrong in it.
func decodeStrictly(node *yaml.Node, into any) *Problem {
	if err := node.Decode(into); err != nil {
		p := yamlError(err)
		p.Line = cmp.Or(p.Line, lineOfValue(node, p.Message))
		return &p
	}
	known := keysOf(reflect.TypeOf(into).Elem())
	for i := 0; i+1 < len(node.Content); i += 2 {
		if key := node.Content[i]; !known[key.Value] {
			return &Problem{Line: key.Line, Message: fmt.Sprintf("unknown key %q", key.Value)}
		}
	}
	return nil
}

var (
	yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:unmarshal errors:\s*)?(?:yaml: )?line (\d+): (?s:(.*))$`)
	// unknownField is how the reader tells of a key that a type does not have.
	unknownField = regexp.MustCompile(`^field (\S+) not found in type \S+$`)
	ruleLine     = regexp.MustCompile(`^(\d+):\d+: (?:\d+:\d+: )?(?s:(.*))$`)
)

// yamlError takes the line out of an error of the YAML reader.
func yamlError(err error) Problem {
	var list *yaml.TypeError
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if errors.As(err, &list) && len(list.Errors) > 0 {
		text = list.Errors[0]
	}
	p := located(yamlLine, text)
	p.Message = unknownField.ReplaceAllString(p.Message, "unknown key \"$1\"")
	return p
}

func located(pattern *regexp.Regexp, text string) Problem {
	if m := pattern.FindStringSubmatch(text); m != nil {
		line, _ := strconv.Atoi(m[1])
		return Problem{Line: line, Message: m[2]}
	}
	return Problem{Message: text}
}

// keysOf are the keys that a struct has in YAML.
func keysOf(t reflect.Type) map[string]bool {
	keys := map[string]bool{}
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if options == "inline" {
			maps.Copy(keys, keysOf(field.Type))
		} else if name != "-" {
			keys[name] = true
		}
	}
	return keys
}

var quoted = regexp.MustCompile(`"([^"]*)"`)

// lineOfValue is the line of a value that a message quotes, 0 when it is not
// found: errors of values that read themselves name no line.
func lineOfValue(node *yaml.Node, message string) int {
	m := quoted.FindStringSubmatch(message)
	if m == nil {
		return 0
	}
	if node.Kind == yaml.ScalarNode && node.Value == m[1] {
		return node.Line
	}
	for _, child := range node.Content {
		if line := lineOfValue(child, message); line > 0 {
			return line
		}
	}
	return 0
}
