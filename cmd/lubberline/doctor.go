package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/knftables"

	"github.com/lubberline/lubberline/config"
	"github.com/lubberline/lubberline/doctor"
	"github.com/lubberline/lubberline/up"
)

// minFree is the free space below which the doctor speaks up, in bytes.
const minFree = 10 << 30

func doctorCommand() *cobra.Command {
	var path, dataDir, service string
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check this machine, and say what each missing thing costs", Args: cobra.NoArgs,
		Example: "  lubberline doctor\n  lubberline doctor --service 10.96.0.10:53/udp",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg := up.DefaultConfig()
			if err := config.Load(path, cfg); err != nil {
				return err
			}
			if cmd.Flags().Changed("data-dir") {
				cfg.DataDir = dataDir
			}
			if service != "" {
				return trace(cmd, cfg, service)
			}
			return examine(cmd, cfg)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration file (YAML)")
	cmd.Flags().StringVar(&dataDir, "data-dir", up.DefaultConfig().DataDir, "where data would be kept")
	cmd.Flags().StringVar(&service, "service", "", "show where a service's address leads on this machine: ADDRESS:PORT, or ADDRESS:PORT/udp")
	return cmd
}

// trace tells where the kernel of this machine sends what goes to a service. An
// address that no service has is an error.
func trace(cmd *cobra.Command, cfg *up.Config, service string) error {
	address, protocol, _ := strings.Cut(service, "/")
	route, err := cfg.Orchestrator.Trace(cmd.Context(), address, protocol)
	if knftables.IsNotFound(err) {
		return fmt.Errorf("service %s: the kernel has no table of services: no Lubberline runs pods here", service)
	}
	if err != nil {
		return fmt.Errorf("service %s: %w", service, err)
	}
	if !route.Known {
		return errors.New(route.String())
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), route)
	return err
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
