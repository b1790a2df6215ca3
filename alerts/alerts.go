package alerts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
	promrules "github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"

	"github.com/lubberline/lubberline/alerts/evaluate"
	"github.com/lubberline/lubberline/alerts/external"
	"github.com/lubberline/lubberline/alerts/logseries"
	"github.com/lubberline/lubberline/alerts/notify"
)

// Store is where rules read series, and write those that they make.
type Store interface {
	storage.Queryable
	storage.Appendable
	storage.AppendableV2
}

// Options is what a manager is made of.
type Options struct {
	Config Config
	// Dir keeps silences and what was sent. Needed unless Config.Notify is off.
	Dir string
	// Engine and Store answer the rules' queries. Needed.
	Engine promql.QueryEngine
	Store  Store
	// Count counts log lines for series made of them; may be nil.
	Count logseries.Lines
	// Lines are the last log lines of what an alert is about; may be nil.
	Lines notify.Lines
	// Controller is the controller of a pod, "KIND/NAME", empty where there is
	// none; may be nil.
	Controller func(namespace, pod string) string
	// Active says whether rules are evaluated; nil is always.
	Active func() bool
	// Address is where we are reached when the configuration does not say it.
	Address    string
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// APIPath is where Alertmanager's API lies below the external URL.
const APIPath = "/alertmanager"

// restart is within how many evaluations after a start an alert that goes on
// fires again: those that the states of alerts need to be restored, and one more.
const restart = 6

// Manager evaluates rules and sends alerts. Safe for concurrent use.
type Manager struct {
	o       Options
	log     *slog.Logger
	metrics *metrics
	files   *ruleFiles
	owners  *owners

	evaluator *evaluate.Evaluator
	notifier  *notify.Alertmanager // nil when others do that
	senders   *external.Senders
	series    *logseries.Evaluator // nil without log lines

	reloading sync.Mutex
	seen      string // the watched files' state at the last reload; guarded by reloading
}

// New reads rules and receivers. What is wrong in them is logged and left out.
func New(o Options) (_ *Manager, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Config.ExternalURL == "" {
		o.Config.ExternalURL = o.Address
	}
	o.Config.ExternalURL = strings.TrimSuffix(o.Config.ExternalURL, "/")
	m := &Manager{o: o, log: o.Logger, files: newRuleFiles(o.Config), owners: newOwners(o.Controller)}
	if m.metrics, err = newMetrics(o.Registerer); err != nil {
		return nil, fmt.Errorf("metrics of alerts: %w", err)
	}
	for _, build := range []func() error{m.buildNotifier, m.buildSenders, m.buildSeries, m.buildEvaluator} {
		if err := build(); err != nil {
			return nil, errors.Join(fmt.Errorf("alerts: %w", err), m.Close())
		}
	}
	if err := m.setRules(); err != nil {
		m.log.Error("some rules are refused", "error", err)
	}
	m.seen = m.watched()
	return m, nil
}

func (m *Manager) buildNotifier() error {
	if !m.o.Config.Notify {
		return nil
	}
	u, err := url.Parse(m.o.Config.ExternalURL + APIPath)
	if err != nil {
		return err
	}
	m.notifier, err = notify.New(notify.Options{
		Dir: m.o.Dir, ConfigFile: m.o.Config.Receivers, ExternalURL: u, Grace: restart * m.o.Config.Interval,
		Lines: m.o.Lines, Logger: m.log, Registerer: m.o.Registerer,
	})
	return err
}

func (m *Manager) buildSenders() (err error) {
	m.senders, err = external.New(m.o.Config.Alertmanagers, m.log, m.o.Registerer)
	return err
}

func (m *Manager) buildSeries() (err error) {
	if m.o.Count == nil {
		return nil
	}
	m.series, err = logseries.New(logseries.Options{Lines: m.o.Count, Store: m.o.Store, Speed: m.o.Config.Speed, Logger: m.log, Registerer: m.o.Registerer})
	return err
}

func (m *Manager) buildEvaluator() (err error) {
	lookback := time.Duration(0) // the engine's
	if speed := m.o.Config.Speed; speed > 1 {
		lookback = max(minLookback, defaultLookback/time.Duration(speed))
	}
	m.evaluator, err = evaluate.New(evaluate.Options{
		Engine: m.o.Engine, Queryable: m.o.Store, Store: m.o.Store, Send: m.send, Interval: m.o.Config.Interval, Active: m.o.Active,
		Lookback: lookback, ExternalURL: m.o.Config.ExternalURL, Labels: m.o.Config.Labels, Logger: m.log, Registerer: m.o.Registerer,
	})
	return err
}

// send hands alerts to whoever gets them.
func (m *Manager) send(all []evaluate.Alert) {
	for i := range all {
		m.owners.name(&all[i])
	}
	m.senders.Send(all)
	if m.notifier == nil {
		return
	}
	now := time.Now()
	converted := make([]*alert.Alert, len(all))
	for i := range all {
		converted[i] = convert(&all[i], now)
	}
	if err := m.notifier.Put(context.Background(), converted...); err != nil {
		m.log.Error("alerts are not taken", "error", err)
	}
}

func convert(a *evaluate.Alert, now time.Time) *alert.Alert {
	return &alert.Alert{UpdatedAt: now, Alert: model.Alert{
		Labels: labelSet(a.Labels), Annotations: labelSet(a.Annotations),
		StartsAt: a.StartsAt, EndsAt: a.EndsAt, GeneratorURL: a.GeneratorURL,
	}}
}

func labelSet(from map[string]string) model.LabelSet {
	set := make(model.LabelSet, len(from))
	for k, v := range from {
		if v != "" {
			set[model.LabelName(k)] = model.LabelValue(v)
		}
	}
	return set
}

// Run works until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	sending, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	var senders, sources sync.WaitGroup
	senders.Go(func() { _ = m.senders.Run(sending) })
	if m.notifier != nil {
		senders.Go(func() { _ = m.notifier.Run(sending) })
	}
	if m.series != nil {
		sources.Go(func() { _ = m.series.Run(ctx) })
	}
	sources.Go(func() { _ = m.evaluator.Run(ctx) })
	sources.Go(func() { m.watch(ctx) })
	sources.Wait()
	stopSending()
	senders.Wait()
	return nil
}

// Close ends sending and closes files.
func (m *Manager) Close() error {
	m.metrics.set.Unregister()
	if m.evaluator != nil {
		m.evaluator.Close()
	}
	if m.notifier == nil {
		return nil
	}
	return m.notifier.Close()
}

// RuleGroups are all groups of rules with their states.
func (m *Manager) RuleGroups() []*promrules.Group { return m.evaluator.RuleGroups() }

// AlertingRules are the rules that make alerts.
func (m *Manager) AlertingRules() []*promrules.AlertingRule { return m.evaluator.AlertingRules() }

// Alertmanagers are where alerts go: ours and others.
func (m *Manager) Alertmanagers() []*url.URL {
	all := m.senders.URLs()
	if m.notifier != nil {
		if own, err := url.Parse(m.o.Config.ExternalURL + APIPath + "/api/v2/alerts"); err == nil {
			all = append([]*url.URL{own}, all...)
		}
	}
	return all
}

// DroppedAlertmanagers are those that get nothing: none.
func (m *Manager) DroppedAlertmanagers() []*url.URL { return nil }

// Handler serves Alertmanager's API below /api/v2/; nil when alerts are not sent
// from here.
func (m *Manager) Handler() http.Handler {
	if m.notifier == nil {
		return nil
	}
	return m.notifier.Handler()
}

// Dir is where alerts are kept below an aggregator's data.
func Dir(data string) string { return filepath.Join(data, "alerts") }
