package openapi

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Fragment is one OpenAPI document that becomes part of a larger one.
type Fragment struct {
	// Name tags the operations and goes before the names of components:
	// fragments do not know each other's.
	Name string
	// Text is the document, in YAML.
	Text []byte
}

// Merge makes one document of the fragments, in their order. Each becomes a tag
// with the description of its own info. Two fragments with the same path are
// an error.
func Merge(title, version string, fragments ...Fragment) ([]byte, error) {
	m := &merger{paths: mapping(), components: mapping(), tags: &yaml.Node{Kind: yaml.SequenceNode}}
	for _, f := range fragments {
		if err := m.add(f); err != nil {
			return nil, fmt.Errorf("openapi fragment %s: %w", f.Name, err)
		}
	}
	info := mapping()
	set(info, "title", text(title))
	set(info, "version", text(version))
	root := mapping()
	set(root, "openapi", text("3.0.3"))
	set(root, "info", info)
	set(root, "tags", m.tags)
	set(root, "paths", m.paths)
	set(root, "components", m.components)
	out, err := yaml.Marshal(root)
	if err != nil {
		return nil, fmt.Errorf("write the openapi document: %w", err)
	}
	return out, nil
}

type merger struct {
	paths, components, tags *yaml.Node
}

func (m *merger) add(f Fragment) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(f.Text, &doc); err != nil {
		return err
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return errors.New("not a mapping")
	}
	root := doc.Content[0]
	prefix := f.Name + "."
	prefixReferences(root, prefix)
	m.addTag(f.Name, root)
	if err := m.addPaths(f.Name, get(root, "paths")); err != nil {
		return err
	}
	m.addComponents(prefix, get(root, "components"))
	return nil
}

func (m *merger) addTag(name string, root *yaml.Node) {
	tag := mapping()
	set(tag, "name", text(name))
	if d := get(get(root, "info"), "description"); d != nil {
		set(tag, "description", d)
	}
	m.tags.Content = append(m.tags.Content, tag)
}

func (m *merger) addPaths(tag string, paths *yaml.Node) error {
	return each(paths, func(path string, item *yaml.Node) error {
		if get(m.paths, path) != nil {
			return fmt.Errorf("path %s is described twice", path)
		}
		set(m.paths, path, item)
		return each(item, func(method string, operation *yaml.Node) error {
			if isMethod(method) && get(operation, "tags") == nil {
				set(operation, "tags", &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{text(tag)}})
			}
			return nil
		})
	})
}

func (m *merger) addComponents(prefix string, components *yaml.Node) {
	_ = each(components, func(kind string, named *yaml.Node) error {
		all := get(m.components, kind)
		if all == nil {
			all = mapping()
			set(m.components, kind, all)
		}
		return each(named, func(name string, component *yaml.Node) error {
			set(all, prefix+name, component)
			return nil
		})
	})
}

const componentsPath = "#/components/"

// prefixReferences changes "#/components/kind/name" into
// "#/components/kind/prefixname" everywhere below n.
func prefixReferences(n *yaml.Node, prefix string) {
	if n.Kind == yaml.MappingNode {
		if ref := get(n, "$ref"); ref != nil {
			if rest, ok := strings.CutPrefix(ref.Value, componentsPath); ok {
				if kind, name, ok := strings.Cut(rest, "/"); ok {
					ref.Value = componentsPath + kind + "/" + prefix + name
				}
			}
		}
	}
	for _, c := range n.Content {
		prefixReferences(c, prefix)
	}
}

func isMethod(key string) bool {
	switch key {
	case "get", "put", "post", "delete", "options", "head", "patch", "trace":
		return true
	}
	return false
}

func mapping() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode} }

func text(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

func set(m *yaml.Node, key string, value *yaml.Node) {
	m.Content = append(m.Content, text(key), value)
}

// get returns nil where there is no such key, and for a nil node.
func get(m *yaml.Node, key string) *yaml.Node {
	if m == nil || m.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

func each(m *yaml.Node, f func(key string, value *yaml.Node) error) error {
	if m == nil || m.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if err := f(m.Content[i].Value, m.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}
