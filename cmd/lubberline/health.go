package main

import (
	"github.com/spf13/cobra"

	"github.com/lubberline/lubberline/aggregator/app"
	"github.com/lubberline/lubberline/config"
	"github.com/lubberline/lubberline/listen"
	"github.com/lubberline/lubberline/up"
)

func healthCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use: "health", Short: "Ask the aggregator of this machine whether it is well, for health checks of containers", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg := up.DefaultConfig()
			cfg.Aggregator = app.DefaultConfig()
			if err := config.Load(path, cfg); err != nil {
				return err
			}
			a := cfg.Aggregator
			return listen.Probe(cmd.Context(), listen.Options{Address: a.HTTP, Security: a.HTTPSecurity}, "/-/ready")
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration file (YAML) of the one that is asked")
	return cmd
}
