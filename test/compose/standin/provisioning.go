package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// provisioning is what the files of a Grafana say.
type provisioning struct {
	Sources    []*source
	dashboards []*dashboard
	home       *dashboard
}

// source is a data source, its secrets expanded.
type source struct {
	Name            string            `yaml:"name"`
	UID             string            `yaml:"uid"`
	Type            string            `yaml:"type"`
	Access          string            `yaml:"access"`
	OrgID           int               `yaml:"orgId"`
	URL             string            `yaml:"url"`
	User            string            `yaml:"user"`
	Database        string            `yaml:"database"`
	BasicAuth       bool              `yaml:"basicAuth"`
	BasicAuthUser   string            `yaml:"basicAuthUser"`
	WithCredentials bool              `yaml:"withCredentials"`
	IsDefault       bool              `yaml:"isDefault"`
	Editable        bool              `yaml:"editable"`
	Version         int               `yaml:"version"`
	JSONData        map[string]any    `yaml:"jsonData"`
	SecureJSONData  map[string]string `yaml:"secureJsonData"`
}

// dashboard is what a test asks of one.
type dashboard struct {
	UID    string `json:"uid"`
	Title  string `json:"title"`
	File   string `json:"file"`
	Panels int    `json:"panels"`
}

// provider is where dashboards are.
type provider struct {
	Name    string `yaml:"name"`
	Type    string `yaml:"type"`
	Options struct {
		Path string `yaml:"path"`
	} `yaml:"options"`
}

// provision reads everything; the error names all that is wrong.
func provision(lookup func(string) (string, bool)) (*provisioning, error) {
	p := &provisioning{}
	dir, _ := lookup("GF_PATHS_PROVISIONING")
	dir = cmp.Or(dir, "/etc/grafana/provisioning")
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	note(eachYAML(filepath.Join(dir, "datasources"), lookup, func(text []byte) error {
		var file struct {
			Version     int       `yaml:"apiVersion"`
			Prune       bool      `yaml:"prune"`
			Deletions   []any     `yaml:"deleteDatasources"`
			Datasources []*source `yaml:"datasources"`
		}
		err := strict(text, &file)
		p.Sources = append(p.Sources, file.Datasources...)
		return err
	}))
	note(p.checkSources())
	note(eachYAML(filepath.Join(dir, "dashboards"), lookup, func(text []byte) error {
		var file struct{ Providers []provider }
		if err := yaml.Unmarshal(text, &file); err != nil {
			return err
		}
		return p.readDashboards(file.Providers)
	}))
	note(eachYAML(filepath.Join(dir, "alerting"), lookup, func(text []byte) error { return yaml.Unmarshal(text, &map[string]any{}) }))
	note(p.checkSettings(lookup))
	return p, errors.Join(errs...)
}

func strict(text []byte, into any) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(into); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// eachYAML calls f with each file of a folder, its variables expanded. A folder
// that is not there is as good as empty.
func eachYAML(dir string, lookup func(string) (string, bool), f func([]byte) error) error {
	paths, err := filepath.Glob(dir + "/*.y*ml")
	errs := []error{err}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err == nil {
			text, err = expandFile(text, lookup)
		}
		if err == nil {
			err = f(text)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
	}
	return errors.Join(errs...)
}

// expandFile expands the values of a file, not its keys and comments.
func expandFile(text []byte, lookup func(string) (string, bool)) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	if err := expandNode(&root, lookup); err != nil {
		return nil, err
	}
	return yaml.Marshal(&root)
}

func expandNode(n *yaml.Node, lookup func(string) (string, bool)) (err error) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		n.Value, err = expand(n.Value, lookup)
		return err
	}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		if err := expandNode(child, lookup); err != nil {
			return err
		}
	}
	return nil
}

var variable = regexp.MustCompile(`\$\$|\$__file\{[^}]*\}|\$__env\{[^}]*\}|\$\{\w+\}|\$\w+`)

func expand(text string, lookup func(string) (string, bool)) (string, error) {
	var errs []error
	out := variable.ReplaceAllStringFunc(text, func(match string) string {
		if match == "$$" {
			return "$"
		}
		if path, ok := strings.CutPrefix(match, "$__file{"); ok {
			content, err := os.ReadFile(strings.TrimSuffix(path, "}"))
			errs = append(errs, err)
			return strings.TrimSpace(string(content))
		}
		name := strings.Trim(strings.TrimPrefix(strings.TrimPrefix(match, "$__env"), "$"), "{}")
		value, ok := lookup(name)
		if !ok {
			errs = append(errs, fmt.Errorf("the variable %s is not set", name))
		}
		return value
	})
	return out, errors.Join(errs...)
}

func (p *provisioning) checkSources() error {
	seen := map[string]bool{}
	defaults := 0
	for _, s := range p.Sources {
		if s.UID == "" || s.Name == "" || s.Type == "" || s.URL == "" {
			return fmt.Errorf("data source %q: uid, name, type and url are needed", s.Name)
		}
		if seen[s.UID] {
			return fmt.Errorf("data source %q: the uid %s is another's too", s.Name, s.UID)
		}
		seen[s.UID] = true
		if s.IsDefault {
			defaults++
		}
	}
	if defaults > 1 {
		return errors.New("more than one default data source")
	}
	return nil
}

// checkSettings reads the environment as grafana.ini would be.
func (p *provisioning) checkSettings(lookup func(string) (string, bool)) error {
	var errs []error
	if path, ok := lookup("GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"); ok {
		for _, d := range p.dashboards {
			if d.File == path {
				p.home = d
			}
		}
		if p.home == nil {
			errs = append(errs, fmt.Errorf("the home dashboard %s is none of the %d dashboards", path, len(p.dashboards)))
		}
	}
	if path, ok := lookup("GF_SECURITY_ADMIN_PASSWORD__FILE"); ok {
		text, err := os.ReadFile(path)
		if err == nil && len(bytes.TrimSpace(text)) < 8 {
			err = fmt.Errorf("%s: no password", path)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (p *provisioning) readDashboards(providers []provider) error {
	var errs []error
	for _, provider := range providers {
		if provider.Type != "file" && provider.Type != "" {
			errs = append(errs, fmt.Errorf("provider %s: type %s", provider.Name, provider.Type))
			continue
		}
		errs = append(errs, filepath.WalkDir(provider.Options.Path, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || filepath.Ext(path) != ".json" {
				return err
			}
			return p.readDashboard(path)
		}))
	}
	return errors.Join(errs...)
}

func (p *provisioning) readDashboard(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var d struct {
		UID, Title string
		Panels     []json.RawMessage
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if d.UID == "" || d.Title == "" || len(d.Panels) == 0 {
		return fmt.Errorf("%s: a dashboard has uid, title and panels", path)
	}
	for _, other := range p.dashboards {
		if other.UID == d.UID {
			return fmt.Errorf("%s: the uid %s is that of %s", path, d.UID, other.File)
		}
	}
	p.dashboards = append(p.dashboards, &dashboard{d.UID, d.Title, path, len(d.Panels)})
	return p.checkReferences(path, text)
}

// checkReferences looks for data sources that a dashboard names and that are not
// there. Those that a variable chooses are the dashboard's own matter.
func (p *provisioning) checkReferences(path string, text []byte) error {
	known := map[string]bool{"-- Grafana --": true, "-- Mixed --": true, "-- Dashboard --": true, "grafana": true}
	for _, s := range p.Sources {
		known[s.UID] = true
	}
	for _, match := range reference.FindAllSubmatch(text, -1) {
		if uid := string(match[1]); !known[uid] && !strings.HasPrefix(uid, "$") {
			return fmt.Errorf("%s: there is no data source %q", path, uid)
		}
	}
	return nil
}

// reference is a data source object, whichever of its two fields comes first.
var reference = regexp.MustCompile(`"datasource":\s*\{[^{}]*"uid":\s*"([^"]*)"[^{}]*\}`)

// public is a list without secrets.
func (p *provisioning) public() (all []map[string]any) {
	for _, s := range p.Sources {
		all = append(all, map[string]any{"uid": s.UID, "name": s.Name, "type": s.Type, "url": s.URL, "isDefault": s.IsDefault, "jsonData": s.JSONData})
	}
	return all
}
