package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// programs are a real aggregator and the addresses around it.
type programs struct {
	dir                           string
	http, receive, shown, forward string
	aggregator, collector         *process
}

// startAggregator runs bin/lubberline aggregator with its data below dir.
func startAggregator(ctx context.Context, s *settings, dir string) (*programs, error) {
	p := &programs{dir: dir}
	for _, a := range []*string{&p.http, &p.receive, &p.shown, &p.forward} {
		var err error
		if *a, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	config, err := p.write("aggregator", fmt.Sprintf("data_dir: %s/a\naggregator: {http: %q, forward: {listen: %q}}\n", dir, p.http, p.receive))
	if err != nil {
		return nil, err
	}
	if p.aggregator, err = start(dir, filepath.Join(s.bin, "lubberline"), "aggregator", "--config", config); err != nil {
		return nil, err
	}
	if err := ready(ctx, p.aggregator, p.http); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// startCollector runs bin/lubberline-collector, shipping to the aggregator or,
// for logs, to another receiver.
func (p *programs) startCollector(s *settings, logs, interval, files string) (err error) {
	config, err := p.write("collector", fmt.Sprintf(`data_dir: %s/c
log_level: warn
collector:
  interval: %s
  http: %q
  forward: {listen: %q}
  remote_write: {url: "http://%s/api/v1/write"}
  log_output: {address: %q}
  logs: {containers: %v, files: [%s]}
`, p.dir, interval, p.shown, p.forward, p.http, logs, files == "", files))
	if err != nil {
		return err
	}
	p.collector, err = start(p.dir, filepath.Join(s.bin, "lubberline-collector"), "--config", config)
	return err
}

func (p *programs) write(name, text string) (string, error) {
	path := filepath.Join(p.dir, name+".yaml")
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// stop ends both, the collector first.
func (p *programs) stop() {
	for _, one := range []*process{p.collector, p.aggregator} {
		if one != nil {
			one.stop()
		}
	}
}
