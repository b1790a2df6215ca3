package app

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/gin-gonic/gin"

	apialerts "github.com/lubberline/lubberline/aggregator/api/alerts"
	"github.com/lubberline/lubberline/aggregator/logstore"
	"github.com/lubberline/lubberline/alerts"
	"github.com/lubberline/lubberline/logging"
)

// buildAlerts evaluates rules on the stores. They see what a cluster's objects
// say, so buildJoin comes before.
func (a *App) buildAlerts() (err error) {
	if !a.cfg.Alerts.Enabled {
		return nil
	}
	options := alerts.Options{
		Config: a.cfg.Alerts, Dir: alerts.Dir(a.dataDir), Engine: a.engine, Store: a.metricStore,
		Count: logLines{a.logStore}, Lines: lastLines{a.logStore}.of, Address: a.address(),
		Logger: logging.Quiet(a.logger("alerts")), Registerer: a.metrics,
	}
	if a.join != nil {
		options.Controller = func(namespace, pod string) string {
			controller, _ := a.join.Controller(namespace, pod)
			return controller
		}
	}
	if a.cluster != nil {
		options.Active = a.cluster.Gathers
	}
	a.alerts, err = alerts.New(options)
	if err != nil {
		return err
	}
	a.group.Close("alerts", a.alerts)
	a.group.Go("alerts", a.alerts.Run)
	return nil
}

// heedHangup reloads at each signal until ctx ends.
func (a *App) heedHangup(ctx context.Context, hangup <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
			if err := a.Reload(); err != nil {
				a.logger("alerts").Error("rules or receivers are refused, the old ones go on", "error", err)
			}
		}
	}
}

func (a *App) routeAlerts(r gin.IRouter) error {
	if a.alerts != nil {
		apialerts.Register(r, alerts.APIPath, a.alerts)
	}
	return nil
}

// address is where people reach the HTTP APIs, as far as that can be guessed.
func (a *App) address() string {
	scheme := "http://"
	if a.cfg.HTTPSecurity.CertFile != "" {
		scheme = "https://"
	}
	host, port, err := net.SplitHostPort(a.cfg.HTTP)
	if err != nil {
		return scheme + a.cfg.HTTP
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return scheme + net.JoinHostPort(host, port)
}

const (
	// lastLinesOf is how far back lines are looked for, lastLinesMost how many a
	// message shows.
	lastLinesOf   = time.Hour
	lastLinesMost = 8
)

// lastLines shows in a message what the thing logged.
type lastLines struct{ store *logstore.Store }

// of returns the newest lines, oldest first, of a container, a pod or a
// controller; none of anything else.
func (l lastLines) of(ctx context.Context, labels map[string]string) ([]string, error) {
	q := logstore.Query{From: time.Now().Add(-lastLinesOf), Limit: lastLinesMost}
	if labels["namespace"] == "" {
		return nil, nil
	}
	q.Namespaces = []string{labels["namespace"]}
	switch {
	case labels["pod"] != "":
		q.Pods = []string{labels["pod"]}
		if c := labels["container"]; c != "" {
			q.Containers = []string{c}
		}
	case labels["controller"] != "":
		q.Controllers = []string{labels["controller"]}
	default:
		return nil, nil
	}
	if level, ok := logstore.ParseLevel(labels["level"]); ok && labels["level"] != "" {
		q.Levels = []logstore.Level{level}
	}
	entries, err := l.store.Query(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("last log lines: %w", err)
	}
	lines := make([]string, len(entries))
	for i := range entries {
		lines[len(entries)-1-i] = entries[i].Message
	}
	return lines, nil
}
