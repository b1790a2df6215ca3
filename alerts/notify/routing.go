package notify

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/common/model"
)

// groupsEvery is how often groups without alerts are removed.
const groupsEvery = 30 * time.Second

// routing is what is made of a configuration. It is replaced as a whole.
type routing struct {
	inhibitor  atomic.Pointer[inhibit.Inhibitor]
	dispatcher atomic.Pointer[dispatch.Dispatcher]
}

func (r *routing) stop() {
	if i := r.inhibitor.Load(); i != nil {
		i.Stop()
	}
	if d := r.dispatcher.Load(); d != nil {
		d.Stop()
	}
}

// parts are what can be wrong with a configuration, made before anything is
// replaced.
type parts struct {
	conf         *config.Config
	templates    *template.Template
	route        *dispatch.Route
	receivers    map[string][]notify.Integration
	integrations int
	intervals    map[string][]timeinterval.TimeInterval
}

// assemble makes the parts. Receivers that no route uses are made as well, to
// see whether they are right.
func (a *Alertmanager) assemble(l *loaded) (*parts, error) {
	p := &parts{
		conf: l.conf, route: dispatch.NewRoute(l.conf.Route, nil),
		receivers: map[string][]notify.Integration{}, intervals: map[string][]timeinterval.TimeInterval{},
	}
	var err error
	if p.templates, err = readTemplates(l.conf.Templates, a.o.ExternalURL); err != nil {
		return nil, err
	}
	for _, rcv := range l.conf.Receivers {
		built, err := receiver.BuildReceiverIntegrations(rcv, p.templates, a.log)
		if err != nil {
			return nil, l.inReceiver(rcv.Name, err)
		}
		p.receivers[rcv.Name] = a.enriched(built, rcv.Name)
		p.integrations += len(built)
	}
	for _, t := range l.conf.MuteTimeIntervals {
		p.intervals[t.Name] = t.TimeIntervals
	}
	for _, t := range l.conf.TimeIntervals {
		p.intervals[t.Name] = t.TimeIntervals
	}
	return p, nil
}

// use replaces the routing. The old one ends first: two at once would send
// twice.
func (a *Alertmanager) use(p *parts) {
	a.routing.stop()
	inhibitor := inhibit.NewInhibitor(a.alerts, p.conf.InhibitRules, a.log, eventrecorder.Recorder{})
	stage := a.pipeline.New(
		p.receivers, func() time.Duration { return 0 }, inhibitor, a.silencer,
		timeinterval.NewIntervener(p.intervals), a.groups, a.sent, nil,
	)
	dispatcher := dispatch.NewDispatcher(
		a.alerts, p.route, stage, a.groups, func(d time.Duration) time.Duration { return max(d, notify.MinTimeout) },
		groupsEvery, nil, a.log, eventrecorder.Recorder{}, a.dispatching, p.templates,
	)
	a.api.update(p.conf)
	go inhibitor.Run()
	inhibitor.WaitForLoading() // or else messages that are to be inhibited go out
	a.routing.inhibitor.Store(inhibitor)
	go dispatcher.Run(time.Now())
	dispatcher.WaitForLoading()
	a.routing.dispatcher.Store(dispatcher)
	a.metrics.receivers.Set(float64(len(p.receivers)))
	a.metrics.integrations.Set(float64(p.integrations))
}

// mute notes for the API whether an alert is inhibited or silenced.
func (a *Alertmanager) mute(ctx context.Context, labels model.LabelSet) {
	a.routing.inhibitor.Load().Mutes(ctx, labels)
	a.silencer.Mutes(ctx, labels)
}

func (a *Alertmanager) groupsOf(ctx context.Context, route func(*dispatch.Route) bool, which func(*alert.Alert, time.Time) bool) (dispatch.AlertGroups, map[model.Fingerprint][]string, error) {
	d := a.routing.dispatcher.Load()
	if d == nil {
		return nil, nil, fmt.Errorf("not started yet")
	}
	return d.Groups(ctx, route, which)
}
