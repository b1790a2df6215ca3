// Package notify groups, inhibits, silences and sends alerts with Alertmanager's
// packages and in its configuration format. Silences, the log of what was sent
// and the alerts themselves are on disk before anything follows from them, so
// that a kill at any moment neither repeats a message nor forgets one.
//
// Alertmanager's own package app is no use here: it wants a listener of its own
// and files that its module does not have (the built web page).
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/client_golang/prometheus"
)

// Options is what an Alertmanager is made of.
type Options struct {
	// Dir keeps silences, the notification log and the alerts. Needed.
	Dir string
	// ConfigFile is in Alertmanager's format; the built-in configuration, which
	// only shows alerts, when empty.
	ConfigFile string
	// ExternalURL is where this Alertmanager is reached; links in messages begin
	// with it. Needed.
	ExternalURL *url.URL
	// Grace is for how long after a start alerts from before it count as firing,
	// unless somebody says otherwise.
	Grace time.Duration
	// Lines gives the last log lines of what an alert is about; may be nil.
	Lines Lines
	// Retention is how long silences that are over and what was sent are
	// remembered: 120 hours.
	Retention  time.Duration
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

const (
	defaultRetention = 120 * time.Hour
	maintenanceEvery = 15 * time.Minute
	// forgetEvery is how often alerts that are over are removed from memory.
	forgetEvery = 5 * time.Minute
)

// Alertmanager routes alerts to receivers. Safe for concurrent use.
type Alertmanager struct {
	o       Options
	log     *slog.Logger
	metrics *metrics

	silenceFile, sentFile *journal
	silences              *silence.Silences
	silencer              *silence.Silencer
	sent                  *nflog.Log
	groups                marker.GroupMarker
	alerts                *remembered
	pipeline              *notify.PipelineBuilder
	dispatching           *dispatch.DispatcherMetrics

	api     *api
	routing routing
	status  status
}

// New reads what is on disk and the configuration. A configuration that is wrong
// is told by Status, and the last good one, or else the built-in one, is used in
// its place. Close releases everything.
func New(o Options) (_ *Alertmanager, err error) {
	if o.Dir == "" || o.ExternalURL == nil {
		return nil, errors.New("alert notification: want a directory and an external URL")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	if o.Retention <= 0 {
		o.Retention = defaultRetention
	}
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("alert notification: %w", err)
	}
	a := &Alertmanager{o: o, log: o.Logger, groups: marker.NewGroupMarker()}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	for _, step := range []func() error{a.measure, a.openSilences, a.openSent, a.openAlerts, a.buildAPI, a.start} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("alert notification: %w", err)
		}
	}
	return a, nil
}

func (a *Alertmanager) measure() (err error) {
	a.metrics, err = newMetrics(a.o.Registerer)
	if err != nil {
		return err
	}
	a.pipeline = notify.NewPipelineBuilder(a.o.Registerer, featurecontrol.NoopFlags{}, eventrecorder.Recorder{})
	a.dispatching = dispatch.NewDispatcherMetrics(false, a.o.Registerer, featurecontrol.NoopFlags{})
	return nil
}

// open opens a file of ours. What cannot be read is set aside.
func (a *Alertmanager) open(name string, read func(path string) error) (*journal, error) {
	path := filepath.Join(a.o.Dir, name)
	j, err := openJournal(path)
	if err != nil {
		return nil, err
	}
	damage := read(path)
	if damage == nil {
		return j, nil
	}
	a.log.Error("a file is damaged and set aside", "file", path, "error", damage)
	if err := errors.Join(j.Close(), os.Rename(path, path+".damaged")); err != nil {
		return nil, err
	}
	return openJournal(path)
}

func (a *Alertmanager) openSilences() (err error) {
	options := silence.Options{SnapshotFile: filepath.Join(a.o.Dir, "silences"), Retention: a.o.Retention, Logger: a.log}
	read := func(metrics prometheus.Registerer) func(string) error {
		return func(string) (err error) {
			options.Metrics = metrics
			a.silences, err = silence.New(options)
			return err
		}
	}
	if a.silenceFile, err = a.open("silences", read(prometheus.NewRegistry())); err != nil {
		return fmt.Errorf("silences: %w", err)
	}
	if err := read(a.o.Registerer)(""); err != nil {
		return fmt.Errorf("silences: %w", err)
	}
	a.silences.SetBroadcast(a.keep(a.silenceFile))
	a.silencer = silence.NewSilencer(a.silences, a.log, eventrecorder.Recorder{})
	return nil
}

func (a *Alertmanager) openSent() (err error) {
	options := nflog.Options{SnapshotFile: filepath.Join(a.o.Dir, "sent"), Retention: a.o.Retention, Logger: a.log}
	read := func(metrics prometheus.Registerer) func(string) error {
		return func(string) (err error) {
			options.Metrics = metrics
			a.sent, err = nflog.New(options)
			return err
		}
	}
	if a.sentFile, err = a.open("sent", read(prometheus.NewRegistry())); err != nil {
		return fmt.Errorf("notification log: %w", err)
	}
	if err := read(a.o.Registerer)(""); err != nil {
		return fmt.Errorf("notification log: %w", err)
	}
	a.sent.SetBroadcast(a.keep(a.sentFile))
	return nil
}

func (a *Alertmanager) openAlerts() error {
	store, err := mem.NewAlerts(context.Background(), forgetEvery, 0, a.silencer, a.log, eventrecorder.Recorder{}, a.o.Registerer, nil)
	if err != nil {
		return err
	}
	var found []saved
	file, err := a.open("alerts", func(path string) (err error) {
		found, err = readSaved(path)
		return err
	})
	if err != nil {
		store.Close()
		return fmt.Errorf("alerts: %w", err)
	}
	a.alerts = &remembered{Alerts: store, file: file, failed: a.failed}
	return a.alerts.restore(found, time.Now().Add(a.o.Grace))
}

// keep appends to a file what a part of Alertmanager tells its peers.
func (a *Alertmanager) keep(j *journal) func([]byte) {
	return func(b []byte) {
		if err := j.append(b); err != nil {
			a.failed(err)
		}
	}
}

func (a *Alertmanager) failed(err error) {
	a.metrics.writeFailures.Inc()
	a.log.Error("alert state could not be written", "error", err)
}

// Put takes alerts. Those that end in the future fire.
func (a *Alertmanager) Put(ctx context.Context, alerts ...*alert.Alert) error {
	return a.alerts.Put(ctx, alerts...)
}

// Run keeps the files small until ctx ends.
func (a *Alertmanager) Run(ctx context.Context) error {
	tick := time.NewTicker(maintenanceEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			a.maintain()
		}
	}
}

func (a *Alertmanager) maintain() {
	_, err1 := a.silences.GC()
	_, err2 := a.sent.GC()
	err3 := a.silenceFile.rewrite(a.silences.Snapshot)
	err4 := a.sentFile.rewrite(a.sent.Snapshot)
	err5 := a.alerts.file.rewrite(a.alerts.snapshot)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		a.failed(err)
	}
}

// Close ends sending and closes the files.
func (a *Alertmanager) Close() error {
	a.routing.stop()
	var errs []error
	if a.alerts != nil {
		a.alerts.Close()
		errs = append(errs, a.alerts.file.Close())
	}
	for _, j := range []*journal{a.silenceFile, a.sentFile} {
		if j != nil {
			errs = append(errs, j.Close())
		}
	}
	if a.metrics != nil {
		a.metrics.set.Unregister()
	}
	return errors.Join(errs...)
}
