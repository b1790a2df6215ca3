package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lubberline/lubberline/aggregator/app"
	"github.com/lubberline/lubberline/config"
	"github.com/lubberline/lubberline/logging"
	"github.com/lubberline/lubberline/up"
)

func aggregatorCommand() *cobra.Command {
	var path, dataDir string
	var check bool
	cmd := &cobra.Command{
		Use: "aggregator", Short: "Run the aggregator alone: receive, store, answer", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg := up.DefaultConfig()
			cfg.Aggregator = app.DefaultConfig()
			if err := config.Load(path, cfg); err != nil || check {
				return err
			}
			if cmd.Flags().Changed("data-dir") {
				cfg.DataDir = dataDir
			}
			return runAggregator(cmd, cfg)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration file (YAML)")
	cmd.Flags().StringVar(&dataDir, "data-dir", up.DefaultConfig().DataDir, "where all data is kept")
	cmd.Flags().BoolVar(&check, "check-config", false, "check the configuration and exit")
	return cmd
}

// hangups are the signals at which configuration is read again.
func hangups() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c
}

func runAggregator(cmd *cobra.Command, cfg *up.Config) error {
	level, err := logging.ParseLevel(cfg.LogLevel)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	pipeline := logging.NewPipeline(host)
	a, err := app.New(cmd.Context(), app.Options{
		Config: cfg.Aggregator, DataDir: cfg.DataDir, Hangup: hangups(), Logger: logging.New(cmd.ErrOrStderr(), level, pipeline),
	})
	if err != nil {
		return err
	}
	if address := a.OwnLogs(); address != "" {
		if err := pipeline.Start(address); err != nil {
			return err
		}
		go func() { _ = pipeline.Run(cmd.Context()) }()
	}
	fmt.Fprintf(cmd.OutOrStdout(), "aggregator: APIs on http://%s, forward on %v\n", a.HTTPAddr(), a.ForwardAddr())
	return a.Run(cmd.Context())
}
