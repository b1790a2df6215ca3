package main

import "github.com/spf13/cobra"

// alertsCommand holds what is done with alert rules and receivers.
func alertsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "alerts", Short: "Generate, check and test alert rules"}
	cmd.AddCommand(alertsGenerateCommand(), alertsCheckCommand(), alertsTestCommand(), alertsExpandCommand(), alertsSendTestCommand())
	return cmd
}
