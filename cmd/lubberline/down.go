package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lubberline/lubberline/config"
	"github.com/lubberline/lubberline/dirlock"
	"github.com/lubberline/lubberline/logging"
	orchestrator "github.com/lubberline/lubberline/orchestrator/app"
	"github.com/lubberline/lubberline/up"
)

func downCommand() *cobra.Command {
	var path, dataDir string
	cmd := &cobra.Command{
		Use: "down", Short: "End the pods and the container runtime that `up` leaves running", Args: cobra.NoArgs,
		Long: "End the pods and the container runtime that `lubberline up` leaves running when it ends, and take their network\n" +
			"and control groups away. All data stays: the next `lubberline up` makes the pods again.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg := up.DefaultConfig()
			if err := config.Load(path, cfg); err != nil {
				return err
			}
			if cmd.Flags().Changed("data-dir") {
				cfg.DataDir = dataDir
			}
			return takeDown(cmd, cfg)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration file (YAML)")
	cmd.Flags().StringVar(&dataDir, "data-dir", up.DefaultConfig().DataDir, "where all data is kept")
	return cmd
}

func takeDown(cmd *cobra.Command, cfg *up.Config) error {
	dir, err := filepath.Abs(cfg.DataDir)
	if err != nil {
		return err
	}
	lock, err := dirlock.Take(dir)
	if err != nil {
		return fmt.Errorf("%w: end `lubberline up` first", err)
	}
	defer lock.Close()
	level, err := logging.ParseLevel(cfg.LogLevel)
	if err != nil {
		return err
	}
	return orchestrator.Remove(cmd.Context(), cfg.Orchestrator, filepath.Join(dir, "orchestrator"), logging.New(cmd.ErrOrStderr(), level, nil))
}
