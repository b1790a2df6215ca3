package up

import (
	"fmt"
	"path/filepath"

	aggregator "github.com/lubberline/lubberline/aggregator/app"
	collector "github.com/lubberline/lubberline/collector/app"
	"github.com/lubberline/lubberline/logging"
	orchestrator "github.com/lubberline/lubberline/orchestrator/app"
)

// Config is the whole configuration file. Each program reads its own part.
type Config struct {
	// DataDir holds everything of ours: stores, spools, positions, sockets.
	DataDir string `yaml:"data_dir"`
	// LogLevel is debug, info, warn or error.
	LogLevel   string            `yaml:"log_level"`
	Collector  collector.Config  `yaml:"collector"`
	Aggregator aggregator.Config `yaml:"aggregator"`
	// Orchestrator runs pods; the monitoring works without it.
	Orchestrator orchestrator.Config `yaml:"orchestrator"`
}

// DefaultConfig is what holds where the file and the flags say nothing.
func DefaultConfig() *Config {
	c := &Config{
		DataDir: "/var/lib/lubberline", LogLevel: "info",
		Collector: collector.DefaultConfig(), Aggregator: aggregator.DefaultConfig(), Orchestrator: orchestrator.DefaultConfig(),
	}
	c.Aggregator.Forward.Listen = "" // the collector reaches it by a socket
	return c
}

// Validate reports everything that is wrong, each with its key and value.
func (c *Config) Validate() error {
	if c.DataDir == "" {
		return fmt.Errorf("data_dir: missing")
	}
	if _, err := logging.ParseLevel(c.LogLevel); err != nil {
		return fmt.Errorf("log_level: %w", err)
	}
	if err := c.Collector.Validate(); err != nil {
		return fmt.Errorf("collector: %w", err)
	}
	if err := c.Aggregator.Validate(); err != nil {
		return fmt.Errorf("aggregator: %w", err)
	}
	if err := c.Orchestrator.Validate(); err != nil {
		return fmt.Errorf("orchestrator: %w", err)
	}
	return nil
}

// The sockets by which the two halves of one machine reach each other.
func (c *Config) aggregatorSocket() string { return filepath.Join(c.DataDir, "run", "aggregator.sock") }
func (c *Config) forwardSocket() string    { return filepath.Join(c.DataDir, "run", "forward.sock") }

// connect points the collector to the aggregator of the same process, where
// the configuration does not send its data elsewhere.
func (c *Config) connect() {
	if c.Collector.RemoteWrite.URL == "" {
		c.Collector.RemoteWrite.URL = "unix://" + c.aggregatorSocket()
	}
	if c.Aggregator.Forward.Listen == "" {
		c.Aggregator.Forward.Listen = "unix://" + c.forwardSocket()
	}
	if c.Collector.LogOutput.Address == "" {
		c.Collector.LogOutput.Address = "unix://" + c.forwardSocket()
	}
	if c.Collector.Interval < c.Aggregator.Resolution {
		return
	}
	c.Aggregator.Resolution = c.Collector.Interval // figures cannot be finer than samples
}
