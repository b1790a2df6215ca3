// Package alerts evaluates alert rules and tells people what they find: the
// shipped rules and those of users, grouped, inhibited and silenced, by chat,
// e-mail and whatever else Alertmanager knows.
package alerts

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/lubberline/lubberline/alerts/external"
	"github.com/lubberline/lubberline/alerts/rules"
)

// Config is the part of the configuration file that is about alerts.
type Config struct {
	// Enabled says whether rules are evaluated at all.
	Enabled bool `yaml:"enabled"`
	// Interval is the distance of evaluations where a group of rules has none.
	Interval time.Duration `yaml:"interval"`
	// Standard says whether the shipped rules are evaluated, Without names those
	// that are not.
	Standard bool     `yaml:"standard"`
	Without  []string `yaml:"without"`
	// Rules are folders with rule files of the user's.
	Rules []string `yaml:"rules"`
	// Labels are added to all alerts.
	Labels map[string]string `yaml:"labels"`

	// Notify says whether alerts are grouped and sent here.
	Notify bool `yaml:"notify"`
	// Receivers is a file in Alertmanager's format; empty shows alerts only.
	Receivers string `yaml:"receivers"`
	// Alertmanagers get all alerts as well.
	Alertmanagers []string `yaml:"alertmanagers"`

	// ExternalURL is where people reach this aggregator; its own address when
	// empty. Grafana and Runbooks are where messages link to.
	ExternalURL string `yaml:"external_url"`
	Grafana     string `yaml:"grafana"`
	Runbooks    string `yaml:"runbooks"`

	// Speed divides all durations of all rules and log series, for trials of them.
	Speed int `yaml:"speed"`
}

// DefaultConfig evaluates the shipped rules and sends nothing.
func DefaultConfig() Config {
	o := rules.DefaultOptions()
	return Config{
		Enabled: true, Interval: 30 * time.Second, Standard: true, Notify: true,
		Grafana: o.Grafana, Runbooks: o.Runbooks, Speed: 1,
	}
}

// Check reports everything that is wrong, each with its key and value.
func (c *Config) Check() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Interval < time.Second {
		fail("interval: %s: want at least 1s", c.Interval)
	}
	if c.Speed < 1 {
		fail("speed: %d: want at least 1", c.Speed)
	}
	for key, address := range map[string]string{"external_url": c.ExternalURL, "grafana": c.Grafana, "runbooks": c.Runbooks} {
		if u, err := url.Parse(address); address != "" && (err != nil || u.Host == "") {
			fail("%s: %q: want the address of a page", key, address)
		}
	}
	for _, address := range c.Alertmanagers {
		if err := external.Check(address); err != nil {
			errs = append(errs, err)
		}
	}
	known := map[string]bool{}
	for _, topic := range rules.Standard() {
		for i := range topic.Rules {
			known[topic.Rules[i].Name] = true
		}
	}
	for _, name := range c.Without {
		if !known[name] {
			fail("without: %q: no shipped rule has that name", name)
		}
	}
	return errors.Join(errs...)
}
