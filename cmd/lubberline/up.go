package main

import (
	"github.com/spf13/cobra"

	"github.com/lubberline/lubberline/config"
	"github.com/lubberline/lubberline/up"
)

// upFlags are the settings that are worth a flag; a flag that is given wins
// over the file.
type upFlags struct {
	config, dataDir, address, http, forward, collectorHTTP string
	orchestrator, check                                    bool
}

func upCommand() *cobra.Command {
	var flags upFlags
	defaults := up.DefaultConfig()
	cmd := &cobra.Command{
		Use: "up", Short: "Run pods on this machine and show what they do", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runUp(cmd, flags) },
	}
	f := cmd.Flags()
	f.StringVar(&flags.config, "config", "", "configuration file (YAML)")
	f.StringVar(&flags.dataDir, "data-dir", defaults.DataDir, "where all data is kept")
	f.StringVar(&flags.address, "address", "", "this machine's address, as other machines reach it; empty keeps everything on this one")
	f.StringVar(&flags.http, "http", defaults.Aggregator.HTTP, "address of the APIs")
	f.StringVar(&flags.forward, "forward", defaults.Collector.Forward.Listen, "address of the input for Fluentd's forward protocol")
	f.StringVar(&flags.collectorHTTP, "collector-http", defaults.Collector.HTTP, "address of /metrics and the kubelet's paths")
	f.BoolVar(&flags.orchestrator, "orchestrator", defaults.Orchestrator.Enabled, "run pods; false is the monitoring alone")
	f.BoolVar(&flags.check, "check-config", false, "check the configuration and exit")
	return cmd
}

func runUp(cmd *cobra.Command, flags upFlags) error {
	cfg := up.DefaultConfig()
	if err := config.Load(flags.config, cfg); err != nil {
		return err
	}
	given := func(name, value string, into *string) {
		if cmd.Flags().Changed(name) {
			*into = value
		}
	}
	given("data-dir", flags.dataDir, &cfg.DataDir)
	given("address", flags.address, &cfg.Orchestrator.Address)
	given("http", flags.http, &cfg.Aggregator.HTTP)
	given("forward", flags.forward, &cfg.Collector.Forward.Listen)
	given("collector-http", flags.collectorHTTP, &cfg.Collector.HTTP)
	if cmd.Flags().Changed("orchestrator") {
		cfg.Orchestrator.Enabled = flags.orchestrator
	}
	if err := cfg.Validate(); err != nil || flags.check {
		return err
	}
	return up.Run(cmd.Context(), up.Options{Config: cfg, Hangup: hangups(), Out: cmd.OutOrStdout(), Log: cmd.ErrOrStderr()})
}
