package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/lubberline/lubberline/config"
	"github.com/lubberline/lubberline/doctor"
	"github.com/lubberline/lubberline/up"
)

// minFree is the free space below which the doctor speaks up, in bytes.
const minFree = 10 << 30

func doctorCommand() *cobra.Command {
	var path, dataDir string
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check this machine, and say what each missing thing costs", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg := up.DefaultConfig()
			if err := config.Load(path, cfg); err != nil {
				return err
			}
			if cmd.Flags().Changed("data-dir") {
				cfg.DataDir = dataDir
			}
			return examine(cmd, cfg)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration file (YAML)")
	cmd.Flags().StringVar(&dataDir, "data-dir", up.DefaultConfig().DataDir, "where data would be kept")
	return cmd
}

func examine(cmd *cobra.Command, cfg *up.Config) error {
	findings := doctor.Examine(cmd.Context(), doctor.Options{
		DataDir: cfg.DataDir, MinFree: minFree, Sockets: cfg.Collector.Runtimes.Sockets(),
		Listen: []string{cfg.Aggregator.HTTP, cfg.Collector.HTTP, cfg.Collector.Forward.Listen},
	})
	if err := doctor.Print(cmd.OutOrStdout(), findings); err != nil {
		return err
	}
	if doctor.Worst(findings) == doctor.Fail {
		return errors.New("this machine cannot run `lubberline up` as it is; see above")
	}
	return nil
}
