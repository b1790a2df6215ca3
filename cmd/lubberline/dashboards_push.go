package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lubberline/lubberline/dashboards/provision"
	"github.com/lubberline/lubberline/dashboards/push"
)

// The environment that "dashboards push" reads credentials from.
const (
	grafanaTokenVariable    = "GRAFANA_TOKEN"
	grafanaPasswordVariable = "GRAFANA_PASSWORD"
)

// dashboardsPushCommand brings dashboards into a running Grafana.
func dashboardsPushCommand() *cobra.Command {
	options := push.Options{Sources: provision.Options{Aggregator: "http://127.0.0.1:8082", ElasticsearchIndex: "logs-lubberline-default"}}
	tokenFile, user := "", ""
	cmd := &cobra.Command{
		Use:   "push",
		Short: "Bring dashboards, folders and data sources into a running Grafana",
		Long: "Bring dashboards, folders and data sources into a running Grafana. What is there already is left alone, and what a\n" +
			"person changed there is kept, and named. The credentials come from --token-file, " + grafanaTokenVariable + ", or --user with " + grafanaPasswordVariable + ".",
		Example: "  GRAFANA_TOKEN=glsa_… lubberline dashboards push --grafana http://127.0.0.1:3000",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if options.Credentials, err = grafanaCredentials(tokenFile, user); err != nil {
				return err
			}
			return push.Push(cmd.Context(), options, func(r push.Result) { printResult(cmd, r) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&options.URL, "grafana", "http://127.0.0.1:3000", "Grafana's address")
	f.StringVar(&tokenFile, "token-file", "", "file with a service account's token")
	f.StringVar(&user, "user", "", "user, whose password is in "+grafanaPasswordVariable)
	f.BoolVar(&options.Force, "force", false, "overwrite what a person changed")
	f.BoolVar(&options.OnlyDashboards, "only-dashboards", false, "leave data sources alone")
	sourceFlags(cmd, &options.Sources)
	return cmd
}

func printResult(cmd *cobra.Command, r push.Result) {
	line := fmt.Sprintf("%-9s  %s %q", r.Outcome, r.Kind, r.Name)
	switch {
	case r.Err != nil:
		line += ": " + r.Err.Error()
	case r.Note != "":
		line += ": " + r.Note
	}
	fmt.Fprintln(cmd.OutOrStdout(), line)
}

func grafanaCredentials(tokenFile, user string) (string, error) {
	switch {
	case tokenFile != "":
		text, err := os.ReadFile(tokenFile)
		if err != nil {
			return "", fmt.Errorf("dashboards push: %w", err)
		}
		return strings.TrimSpace(string(text)), nil
	case user != "":
		return user + ":" + os.Getenv(grafanaPasswordVariable), nil
	case os.Getenv(grafanaTokenVariable) != "":
		return os.Getenv(grafanaTokenVariable), nil
	}
	return "", errors.New("dashboards push: no credentials: give --token-file, " + grafanaTokenVariable + ", or --user with " + grafanaPasswordVariable)
}
