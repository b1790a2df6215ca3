package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/lubberline/lubberline/alerts"
	"github.com/lubberline/lubberline/alerts/notify"
	"github.com/lubberline/lubberline/config"
	"github.com/lubberline/lubberline/up"
)

var errNotSent = errors.New("alerts: the test message did not arrive on every way")

// sendFlags say where receivers are described.
type sendFlags struct {
	config, receivers, url string
	timeout                time.Duration
}

// alertsSendTestCommand proves that a receiver works.
func alertsSendTestCommand() *cobra.Command {
	var flags sendFlags
	cmd := &cobra.Command{
		Use:   "send-test RECEIVER",
		Short: "Send a test message by all ways of a receiver, and say whether each was taken",
		Example: "  lubberline alerts send-test on-call --config /etc/lubberline/config.yaml\n" +
			"  lubberline alerts send-test on-call --receivers alertmanager.yaml",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return sendTest(cmd, flags, args[0]) },
	}
	cmd.Flags().StringVar(&flags.config, "config", "", "configuration file (YAML) that names the file of receivers")
	cmd.Flags().StringVar(&flags.receivers, "receivers", "", "file of receivers in Alertmanager's format; wins over --config")
	cmd.Flags().StringVar(&flags.url, "external-url", "", "address of the aggregator for links in the message")
	cmd.Flags().DurationVar(&flags.timeout, "timeout", 20*time.Second, "how long to wait for each way")
	return cmd
}

func sendTest(cmd *cobra.Command, flags sendFlags, receiver string) error {
	path, external, err := flags.resolve()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), flags.timeout)
	defer cancel()
	sent, err := notify.SendTest(ctx, path, receiver, external)
	if err != nil {
		return err
	}
	failed := false
	for _, s := range sent {
		if s.Err == nil {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: sent in %s\n", s.Integration, s.Took.Round(time.Millisecond))
			continue
		}
		failed = true
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %v\n", s.Integration, s.Err)
	}
	if failed {
		return errNotSent
	}
	return nil
}

func (f sendFlags) resolve() (path string, external *url.URL, err error) {
	cfg := up.DefaultConfig()
	if f.config != "" {
		if err := config.Load(f.config, cfg); err != nil {
			return "", nil, err
		}
	}
	path, address := cfg.Aggregator.Alerts.Receivers, cfg.Aggregator.Alerts.ExternalURL
	if f.receivers != "" {
		path = f.receivers
	}
	if path == "" {
		return "", nil, errors.New("alerts send-test: no file of receivers: want --receivers, or --config with aggregator.alerts.receivers")
	}
	if f.url != "" {
		address = f.url
	}
	if address == "" {
		address = "http://" + cfg.Aggregator.HTTP
	}
	external, err = url.Parse(address + alerts.APIPath)
	return path, external, err
}
