package app

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/lubberline/lubberline/logging"
)

// File is the configuration file as the collector reads it: the part for the
// aggregator may be there and is left alone.
type File struct {
	DataDir    string    `yaml:"data_dir"`
	LogLevel   string    `yaml:"log_level"`
	Collector  Config    `yaml:"collector"`
	Aggregator yaml.Node `yaml:"aggregator"`
}

// DefaultFile is what holds where the file says nothing.
func DefaultFile() *File {
	return &File{DataDir: "/var/lib/lubberline-collector", LogLevel: "info", Collector: DefaultConfig()}
}

// Validate reports everything that is wrong, each with its key and value.
func (f *File) Validate() error {
	if f.DataDir == "" {
		return errors.New("data_dir: missing")
	}
	if _, err := logging.ParseLevel(f.LogLevel); err != nil {
		return fmt.Errorf("log_level: %w", err)
	}
	if err := f.Collector.Validate(); err != nil {
		return fmt.Errorf("collector: %w", err)
	}
	return nil
}
