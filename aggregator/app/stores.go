package app

import (
	"context"
	"fmt"
	"net"

	apiprometheus "github.com/lubberline/lubberline/aggregator/api/prometheus"
	"github.com/lubberline/lubberline/aggregator/logstore"
	"github.com/lubberline/lubberline/aggregator/metricstore"
	"github.com/lubberline/lubberline/aggregator/metricstore/history"
	receivelogs "github.com/lubberline/lubberline/aggregator/receive/logs"
	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/config"
	"github.com/lubberline/lubberline/forward"
	"github.com/lubberline/lubberline/listen"
	"github.com/lubberline/lubberline/logging"
)

func (a *App) openStores() (err error) {
	a.metricStore, err = metricstore.Open(metricstore.Options{
		Dir: a.path("metrics"), Retention: a.cfg.Metrics.Retention, MaxBytes: int64(a.cfg.Metrics.MaxSize),
		Logger: logging.Quiet(a.logger("metricstore")), Registerer: a.metrics,
	})
	if err != nil {
		return fmt.Errorf("metric store: %w", err)
	}
	a.group.Close("metric store", a.metricStore)
	a.logStore, err = logstore.Open(logstore.Options{
		Dir: a.path("logs"), Retention: a.cfg.Logs.Retention, MaxBytes: int64(a.cfg.Logs.MaxSize),
		Logger: a.logger("logstore"), Registerer: a.metrics,
	})
	if err != nil {
		return fmt.Errorf("log store: %w", err)
	}
	a.group.Close("log store", a.logStore)
	a.logStores = append(a.logStores, a.logStore)
	a.engine = apiprometheus.NewEngine(apiprometheus.EngineOptions{Logger: a.logger("promql"), Registerer: a.metrics})
	a.group.Close("query engine", a.engine)
	return nil
}

// buildRollup makes the figures of every object from what is received, and the
// source of their past.
func (a *App) buildRollup(ctx context.Context) (err error) {
	a.rollup, err = rollup.New(ctx, rollup.Options{
		Resolution: a.cfg.Resolution, Sinks: a.sinks, Warm: a.metricStore, Logger: a.logger("rollup"), Registerer: a.metrics,
	})
	if err != nil {
		return fmt.Errorf("rollup: %w", err)
	}
	a.group.Go("rollup", a.rollup.Run)
	if a.historical == nil {
		a.historical, err = history.New(history.Options{Engine: a.engine, Store: a.metricStore, Resolution: a.cfg.Resolution})
	}
	return err
}

// buildForward receives log records for all log stores: those of whoever the
// configuration lets in, and those of the cluster's nodes; nodes may be nil.
func (a *App) buildForward(nodes net.Listener) error {
	if nodes != nil {
		a.group.Close("nodes' logs", ended{nodes})
	}
	if a.cfg.Forward.Listen == "" && nodes == nil {
		return nil
	}
	receiver, err := receivelogs.New(receivelogs.Options{Stores: a.logStores, Controllers: a.controllers(), Logger: a.logger("receive"), Registerer: a.metrics})
	if err != nil {
		return err
	}
	a.group.Close("log receiver", receiver)
	if err := a.buildInput(receiver); err != nil {
		return fmt.Errorf("forward: %w", err)
	}
	if nodes == nil {
		return nil
	}
	_, err = a.receive("nodes", nodes, "", receiver)
	return err
}

// inputName is the server that the configuration describes.
const inputName = "receiver"

// ended may be closed again.
type ended struct{ net.Listener }

func (l ended) Close() error {
	_ = l.Listener.Close()
	return nil
}

func (a *App) buildInput(receiver *receivelogs.Receiver) error {
	cfg := a.cfg.Forward
	if cfg.Listen == "" {
		return nil
	}
	key, err := config.Secret(cfg.SharedKeyFile)
	if err != nil {
		return err
	}
	listener, err := listen.BindForward(cfg.Listen, cfg.CertFile, cfg.KeyFile, key != "")
	if err != nil {
		return err
	}
	a.forward, err = a.receive(inputName, listener, key, receiver)
	return err
}

// receive serves one listener.
func (a *App) receive(name string, listener net.Listener, key string, receiver *receivelogs.Receiver) (net.Addr, error) {
	server, err := forward.NewServer(forward.Options{
		Name: name, Listeners: []net.Listener{listener}, Heartbeat: name == inputName,
		Credentials: forward.Credentials{Hostname: "aggregator", SharedKey: key}, Handler: receiver,
		Logger: a.logger("forward"), Registerer: a.metrics,
	})
	if err != nil {
		return nil, err
	}
	a.group.Cleanup("forward listener of "+name, server.Shutdown) // in case Run never comes
	a.group.Serve("forward listener of "+name, server.Serve, server.Shutdown)
	return server.Addr(), nil
}
