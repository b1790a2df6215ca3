package app

import (
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"github.com/lubberline/lubberline/collector/forwardship"
	"github.com/lubberline/lubberline/collector/logs"
	"github.com/lubberline/lubberline/collector/logs/position"
	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/config"
	"github.com/lubberline/lubberline/forward"
	"github.com/lubberline/lubberline/logrecord"
	"github.com/lubberline/lubberline/spool"
)

// buildLogs makes the way of log records: files and the forward input into one
// spool, and from there to the receiver. Without a receiver nothing is read.
func (a *App) buildLogs() error {
	if a.cfg.LogOutput.Address == "" {
		return nil
	}
	positions, err := position.Open(position.Options{Path: a.path("positions.json"), Logger: a.logger("logs")})
	if err != nil {
		return err
	}
	queue, err := spool.Open(spool.Options{
		Dir: a.path("spool/logs"), MaxBytes: int64(a.cfg.LogOutput.SpoolSize), Name: "logs",
		BeforeDelete: positions.BeforeDelete, Logger: a.logger("spool"), Registerer: a.metrics,
	})
	if err != nil {
		return err
	}
	a.group.Close("log spool", queue)
	tailer, err := a.buildTailer(queue, positions)
	if err != nil {
		return err
	}
	var follow tail
	if a.cfg.Logs.Containers {
		follow = tailer
	}
	known := newNames(a.node, follow, a.podLogs, a.logger("logs"))
	a.afterTick = append(a.afterTick, known.observe)
	if err := a.buildForwardInput(queue, known); err != nil {
		return err
	}
	return a.buildLogOutput(queue)
}

func (a *App) buildTailer(queue *spool.Spool, positions *position.Store) (*logs.Tailer, error) {
	var patterns []logs.Pattern
	for _, f := range a.cfg.Logs.Files {
		format := f.Format
		if format == "" {
			format = reading.Plain
		}
		patterns = append(patterns, logs.Pattern{Glob: filepath.Join("/", string(a.cfg.HostRoot), f.Glob), Tag: f.Tag, Format: format, Meta: logrecord.Source{Host: a.node}})
	}
	tailer, err := logs.New(logs.Options{
		Spool: queue, Positions: positions, Patterns: patterns, FlushInterval: a.cfg.Logs.FlushInterval,
		ScratchDir: a.path("scratch"), Logger: a.logger("logs"), Registerer: a.metrics,
	})
	if err != nil {
		return nil, fmt.Errorf("log tailer: %w", err)
	}
	a.group.Close("log tailer", tailer)
	a.group.Go("log tailer", tailer.Run)
	return tailer, nil
}

func (a *App) buildLogOutput(queue *spool.Spool) error {
	cfg := a.cfg.LogOutput
	client, err := forwardClient(cfg, a.node)
	if err != nil {
		return fmt.Errorf("log_output: %w", err)
	}
	shipper, err := forwardship.New(forwardship.Options{
		Name: "logs", Queue: queue, Client: client, InlineCommon: cfg.Foreign,
		Logger: a.logger("forwardship"), Registerer: a.metrics,
	})
	if err != nil {
		return err
	}
	a.group.Go("log output", shipper.Run)
	return nil
}

func forwardClient(cfg LogOutputConfig, node string) (forward.ClientOptions, error) {
	key := func() (string, error) { return config.Secret(cfg.SharedKeyFile) }
	if _, err := key(); err != nil {
		return forward.ClientOptions{}, err
	}
	// The protocol refuses a peer of the same name, and both ends of one machine
	// are called after it.
	o := forward.ClientOptions{Network: "tcp", Address: cfg.Address, Key: key, Credentials: forward.Credentials{Hostname: "collector." + node}}
	if path, ok := strings.CutPrefix(cfg.Address, "unix://"); ok {
		o.Network, o.Address = "unix", path
	}
	if cfg.TLS {
		var err error
		if o.TLS, err = clientTLS(cfg); err != nil {
			return o, err
		}
	}
	return o, nil
}

func clientTLS(cfg LogOutputConfig) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", cfg.Address, err)
	}
	roots, err := config.CertPool(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	show, err := config.ClientCertificate(cfg.CertFile, cfg.KeyFile)
	if err != nil {
		return nil, err
	}
	return &tls.Config{ServerName: host, RootCAs: roots, GetClientCertificate: show, MinVersion: tls.VersionTLS12}, nil
}
