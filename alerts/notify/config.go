package notify

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"

	"github.com/prometheus/alertmanager/config"
)

//go:embed default.yaml
var defaultConfig string

// DefaultConfig is the built-in configuration: alerts are grouped, inhibited and
// shown, and sent nowhere.
func DefaultConfig() string { return defaultConfig }

// Problem is what is wrong in a configuration or a template.
type Problem struct {
	Path string
	// Line counts from 1; 0 where it is not known.
	Line int
	Err  error
}

// Error writes the problem as compilers do.
func (p *Problem) Error() string {
	if p.Line == 0 {
		return p.Path + ": " + p.Err.Error()
	}
	return p.Path + ":" + strconv.Itoa(p.Line) + ": " + p.Err.Error()
}

// Unwrap is what is wrong, without its place.
func (p *Problem) Unwrap() error { return p.Err }

// loaded is a configuration that was read.
type loaded struct {
	path string
	text []byte
	conf *config.Config
}

// readConfig reads a configuration file in Alertmanager's format; the built-in
// one for an empty path. Relative paths in it are below the file's folder.
func readConfig(path string) (*loaded, error) {
	if path == "" {
		return parseConfig("built-in configuration", ".", []byte(defaultConfig))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("receivers: %w", err)
	}
	return parseConfig(path, filepath.Dir(path), text)
}

// parseConfig parses text; the path is for its problems, the folder for relative
// paths in it.
func parseConfig(path, folder string, text []byte) (*loaded, error) {
	conf, err := config.Load(string(text))
	if err != nil {
		return nil, locate(path, text, err)
	}
	for i, t := range conf.Templates {
		if !filepath.IsAbs(t) {
			conf.Templates[i] = filepath.Join(folder, t)
		}
	}
	setDirectories(reflect.ValueOf(conf), folder)
	return &loaded{path: path, text: text, conf: conf}, nil
}

// setDirectories tells every part that has files, where those are.
func setDirectories(v reflect.Value, folder string) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if d, ok := v.Interface().(interface{ SetDirectory(string) }); ok {
			d.SetDirectory(folder)
			return
		}
		setDirectories(v.Elem(), folder)
	case reflect.Slice:
		for i := range v.Len() {
			setDirectories(v.Index(i), folder)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				setDirectories(v.Field(i), folder)
			}
		}
	}
}

// inReceiver is an error of one receiver with its place.
func (l *loaded) inReceiver(name string, err error) error {
	p := &Problem{Path: l.path, Err: fmt.Errorf("receiver %q: %w", name, err)}
	if doc, ok := parseNodes(l.text); ok {
		if node := doc.receiver(name); node != nil {
			p.Line = node.Line
		}
	}
	return p
}

// Check reads a configuration file and its templates, and returns what is wrong.
func Check(path string) error {
	l, err := readConfig(path)
	if err != nil {
		return err
	}
	a := &Alertmanager{o: Options{}}
	_, err = a.assemble(l)
	return err
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
