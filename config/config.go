// Package config reads Lubberline's one YAML file: strictly, on top of
// defaults that stand beside each type, and with errors that name the file,
// the line and the key.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Validator is a configuration that can check itself after it was read.
type Validator interface{ Validate() error }

// Load decodes the file over what into holds already (the defaults) and
// validates the result. An empty path only validates. An unknown key is an
// error that names its line.
func Load(path string, into Validator) error {
	if path == "" {
		return into.Validate()
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if err := Decode(text, into); err != nil {
		return fmt.Errorf("config %s: %w", path, err)
	}
	return nil
}

// Decode is Load for text at hand.
func Decode(text []byte, into Validator) error {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return errors.New(plainYAMLError(err))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("more than one YAML document")
	}
	return into.Validate()
}

var unknownKey = regexp.MustCompile(`field (\S+) not found in type [^\n]*`)

// plainYAMLError takes Go's type names out of the library's messages: the
// reader knows keys and lines, not our structs.
func plainYAMLError(err error) string {
	text := unknownKey.ReplaceAllString(err.Error(), `unknown key "$1"`)
	text = strings.TrimPrefix(text, "yaml: ")
	text = strings.TrimPrefix(text, "unmarshal errors:\n")
	return strings.ReplaceAll(strings.TrimSpace(text), "\n  ", "; ")
}
