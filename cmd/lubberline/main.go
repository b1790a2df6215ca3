// Command lubberline runs containers on one machine and shows what they do, or
// runs one of its parts.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lubberline/lubberline/version"
)

func main() {
	if args, ok := asKubectl(os.Args); ok {
		runKubectl(args)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:           "lubberline",
		Short:         "See every container of a machine: metrics, logs, and where they head",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version.Version,
	}
	root.AddCommand(upCommand(), downCommand(), aggregatorCommand(), doctorCommand(), kubectlCommand(), rollingUpdateCommand(), imagesCommand(), logsCommand(), versionCommand())
	root.AddCommand(credentialsCommand(), healthCommand())
	root.AddCommand(joinCommand(), tokenCommand(), alertsCommand(), dashboardsCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "lubberline:", err)
		os.Exit(1)
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version.Version)
			return err
		},
	}
}
