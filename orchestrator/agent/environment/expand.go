package environment

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Lookup returns a mapping for Expand: the value of the first map that has the
// name, or else the reference as it was written.
func Lookup(vars ...map[string]string) func(string) string {
	return func(name string) string {
		for _, m := range vars {
			if v, ok := m[name]; ok {
				return v
			}
		}
		return "$(" + name + ")"
	}
}

// Expand replaces each $(NAME) by what mapping says. "$$" stands for one "$",
// so "$$(NAME)" is left as "$(NAME)"; a reference that is not closed, and a "$"
// before anything else, stay as they are.
func Expand(s string, mapping func(string) string) string {
	if !strings.Contains(s, "$") {
		return s
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '$')
		if i < 0 || i+1 == len(s) {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		s = expandOne(&b, s[i+1:], mapping)
	}
}

// expandOne handles what follows a "$" and returns what is left.
func expandOne(b *strings.Builder, s string, mapping func(string) string) (rest string) {
	if s[0] == '$' {
		b.WriteByte('$')
		return s[1:]
	}
	if s[0] != '(' {
		r, size := utf8.DecodeRuneInString(s)
		b.WriteByte('$')
		b.WriteRune(r)
		return s[size:]
	}
	name, rest, closed := strings.Cut(s[1:], ")")
	if !closed {
		b.WriteString("$(")
		return s[1:]
	}
	b.WriteString(mapping(name))
	return rest
}

// Command expands the container's command and arguments. A name that is not
// set stays as it was written.
func (*Environment) Command(c *corev1.Container, env []*runtimeapi.KeyValue) (command, args []string) {
	mapping := Lookup(values(env))
	return expandAll(c.Command, mapping), expandAll(c.Args, mapping)
}

// SubPath expands a subPathExpr. Names without a value are an error that lists
// them.
func (*Environment) SubPath(expr string, env []*runtimeapi.KeyValue) (string, error) {
	vars, missing := values(env), sets.New[string]()
	expanded := Expand(expr, func(name string) string {
		if vars[name] == "" {
			missing.Insert(name)
		}
		return vars[name]
	})
	if missing.Len() > 0 {
		return "", fmt.Errorf("missing value for %s", strings.Join(sets.List(missing), ", "))
	}
	return expanded, nil
}

func expandAll(list []string, mapping func(string) string) []string {
	out := slices.Clone(list)
	for i := range out {
		out[i] = Expand(out[i], mapping)
	}
	return out
}

func values(env []*runtimeapi.KeyValue) map[string]string {
	m := make(map[string]string, len(env))
	for _, v := range env {
		m[v.Key] = string(v.Value)
	}
	return m
}
