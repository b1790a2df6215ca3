// Command lubberline-collector reads this node's containers and logs and ships
// them; it is the small program that runs on every node.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lubberline/lubberline/collector/app"
	"github.com/lubberline/lubberline/config"
	"github.com/lubberline/lubberline/listen"
	"github.com/lubberline/lubberline/logging"
	"github.com/lubberline/lubberline/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "lubberline-collector:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var path, dataDir, node string
	var check bool
	cmd := &cobra.Command{
		Use: "lubberline-collector", Short: "Read this node's containers and logs, and ship them", Args: cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true, Version: version.Version,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file := app.DefaultFile()
			if err := config.Load(path, file); err != nil || check {
				return err
			}
			if cmd.Flags().Changed("data-dir") {
				file.DataDir = dataDir
			}
			if cmd.Flags().Changed("node") {
				file.Collector.Node = node
			}
			return run(cmd.Context(), file, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration file (YAML)")
	cmd.Flags().StringVar(&dataDir, "data-dir", app.DefaultFile().DataDir, "where spools and positions are kept")
	cmd.Flags().StringVar(&node, "node", "", "this machine's name in every series and record (default: the host name)")
	cmd.Flags().BoolVar(&check, "check-config", false, "check the configuration and exit")
	cmd.AddCommand(healthCommand())
	return cmd
}

func healthCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use: "health", Short: "Ask the collector of this machine whether it is well, for health checks of containers", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file := app.DefaultFile()
			if err := config.Load(path, file); err != nil {
				return err
			}
			c := file.Collector
			return listen.Probe(cmd.Context(), listen.Options{Address: c.HTTP, Security: c.HTTPSecurity}, "/healthz")
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration file (YAML) of the one that is asked")
	return cmd
}

func run(ctx context.Context, file *app.File, out, logTo io.Writer) error {
	level, err := logging.ParseLevel(file.LogLevel)
	if err != nil {
		return err
	}
	node, err := file.Collector.NodeName()
	if err != nil {
		return err
	}
	pipeline := logging.NewPipeline(node)
	a, err := app.New(app.Options{Config: file.Collector, DataDir: file.DataDir, Logger: logging.New(logTo, level, pipeline)})
	if err != nil {
		return err
	}
	if address := a.OwnLogs(); address != "" {
		if err := pipeline.Start(address); err != nil {
			return err
		}
		go func() { _ = pipeline.Run(ctx) }()
	}
	fmt.Fprintf(out, "collector of node %s: metrics on http://%v/metrics, forward on %v\n", a.Node(), a.HTTPAddr(), a.ForwardAddr())
	return a.Run(ctx)
}
