package app

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/collector/remotewrite"
	"github.com/lubberline/lubberline/spool"
)

// buildMetricsOutput ships every tick by remote write, through a spool.
func (a *App) buildMetricsOutput() error {
	cfg := a.cfg.RemoteWrite
	if cfg.URL == "" {
		return nil
	}
	queue, err := spool.Open(spool.Options{
		Dir: a.path("spool/metrics"), MaxBytes: int64(cfg.SpoolSize), Name: "metrics", Logger: a.logger("spool"), Registerer: a.metrics,
	})
	if err != nil {
		return err
	}
	a.group.Close("metrics spool", queue)
	writer, err := remotewrite.New(remotewrite.Options{
		URL: cfg.URL, Node: a.node, Queue: queue, DeadLetterDir: a.path("dead-letters/metrics"),
		TokenFile: cfg.TokenFile, CAFile: cfg.CAFile, CertFile: cfg.CertFile, KeyFile: cfg.KeyFile, Logger: a.logger("remotewrite"), Registerer: a.metrics,
		Own: a.shipped(),
	})
	if err != nil {
		return fmt.Errorf("remote_write: %w", err)
	}
	a.afterTick = append(a.afterTick, func(o observation) { writer.Tick(o.time, o.containers, o.machine) })
	a.group.Go("remote write", writer.Run)
	return nil
}

// shipped are the metrics that this process keeps of itself.
func (a *App) shipped() prometheus.Gatherer {
	if a.others == nil {
		return a.metrics
	}
	return prometheus.Gatherers{a.metrics, a.others}
}
