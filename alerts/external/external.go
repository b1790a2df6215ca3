// Package external sends alerts to Alertmanagers of others with Prometheus's
// notifier: each has a queue of its own, so that one that hangs delays only
// itself.
package external

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"

	"github.com/lubberline/lubberline/alerts/evaluate"
)

const (
	queueCapacity = 10000
	sendTimeout   = 10 * time.Second
)

// Senders are Alertmanagers that get the alerts. Safe for concurrent use.
type Senders struct {
	manager *notifier.Manager
	targets map[string][]*targetgroup.Group
}

// New makes senders to Alertmanagers at addresses such as
// "https://user:password@am.example.org/prefix".
func New(addresses []string, log *slog.Logger, r prometheus.Registerer) (*Senders, error) {
	if r == nil {
		r = prometheus.NewRegistry()
	}
	s := &Senders{targets: map[string][]*targetgroup.Group{}}
	s.manager = notifier.NewManager(&notifier.Options{QueueCapacity: queueCapacity, Registerer: r, DrainOnShutdown: true}, model.UTF8Validation, log)
	conf := config.DefaultConfig
	for i, address := range addresses {
		am, target, err := parse(address)
		if err != nil {
			return nil, err
		}
		conf.AlertingConfig.AlertmanagerConfigs = append(conf.AlertingConfig.AlertmanagerConfigs, am)
		s.targets[fmt.Sprintf("config-%d", i)] = []*targetgroup.Group{target}
	}
	if err := s.manager.ApplyConfig(&conf); err != nil {
		return nil, fmt.Errorf("alertmanagers: %w", err)
	}
	return s, nil
}

// Check reports an address that cannot be one.
func Check(address string) error {
	_, _, err := parse(address)
	return err
}

func parse(address string) (*config.AlertmanagerConfig, *targetgroup.Group, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, nil, fmt.Errorf("alertmanagers: %q: want http://HOST:PORT/PREFIX or https://…", address)
	}
	am := config.DefaultAlertmanagerConfig
	am.Scheme, am.PathPrefix, am.Timeout = u.Scheme, u.Path, model.Duration(sendTimeout)
	if u.User != nil {
		password, _ := u.User.Password()
		am.HTTPClientConfig.BasicAuth = &commonconfig.BasicAuth{Username: u.User.Username(), Password: commonconfig.Secret(password)}
	}
	target := &targetgroup.Group{Targets: []model.LabelSet{{model.AddressLabel: model.LabelValue(u.Host)}}}
	return &am, target, nil
}

// Run sends until ctx ends, and then what is queued.
func (s *Senders) Run(ctx context.Context) error {
	targets := make(chan map[string][]*targetgroup.Group, 1)
	targets <- s.targets
	stop := context.AfterFunc(ctx, s.manager.Stop)
	defer stop()
	s.manager.Run(targets)
	return nil
}

// Send queues alerts for all.
func (s *Senders) Send(alerts []evaluate.Alert) {
	all := make([]*notifier.Alert, len(alerts))
	for i, a := range alerts {
		all[i] = &notifier.Alert{
			Labels: labels.FromMap(a.Labels), Annotations: labels.FromMap(a.Annotations),
			StartsAt: a.StartsAt, EndsAt: a.EndsAt, GeneratorURL: a.GeneratorURL,
		}
	}
	s.manager.Send(all...)
}

// URLs are where alerts are posted to.
func (s *Senders) URLs() []*url.URL { return s.manager.Alertmanagers() }
