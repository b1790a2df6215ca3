package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lubberline/lubberline/dashboards/lint"
	"github.com/lubberline/lubberline/dashboards/model"
	"github.com/lubberline/lubberline/dashboards/provision"
)

// dashboardsCommand holds what is done with Grafana's dashboards.
func dashboardsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "dashboards", Short: "Generate, check and push dashboards for Grafana"}
	cmd.AddCommand(dashboardsGenerateCommand(), dashboardsPushCommand(), dashboardsLintCommand(), dashboardsListCommand())
	return cmd
}

// sourceFlags adds the flags that say where the stores are, as Grafana sees
// them.
func sourceFlags(cmd *cobra.Command, o *provision.Options) {
	f := cmd.Flags()
	f.StringVar(&o.Aggregator, "aggregator", o.Aggregator, "the aggregator's address, as Grafana sees it")
	f.StringVar(&o.AggregatorToken, "aggregator-token", o.AggregatorToken, "bearer token for the aggregator")
	f.StringVar(&o.AggregatorCA, "aggregator-ca", o.AggregatorCA, "certificate, PEM, that the aggregator's is signed by")
	f.StringVar(&o.Influx2, "influxdb2", o.Influx2, "address of an InfluxDB 2; empty for none")
	f.StringVar(&o.Influx2Org, "influxdb2-org", o.Influx2Org, "its organisation")
	f.StringVar(&o.Influx2Bucket, "influxdb2-bucket", o.Influx2Bucket, "its bucket")
	f.StringVar(&o.Influx2Token, "influxdb2-token", o.Influx2Token, "token for it")
	f.StringVar(&o.Influx1, "influxdb1", o.Influx1, "address of an InfluxDB 1.8; empty for none")
	f.StringVar(&o.Influx1Database, "influxdb1-database", "k8s", "its database")
	f.StringVar(&o.Influx1User, "influxdb1-user", o.Influx1User, "user of it")
	f.StringVar(&o.Influx1Password, "influxdb1-password", o.Influx1Password, "the user's password")
	f.StringVar(&o.Elasticsearch, "elasticsearch", o.Elasticsearch, "address of an Elasticsearch with log records; empty for none")
	f.StringVar(&o.ElasticsearchIndex, "elasticsearch-index", o.ElasticsearchIndex, "its data stream, or a pattern of its indices")
}

// dashboardsGenerateCommand writes provisioning files.
func dashboardsGenerateCommand() *cobra.Command {
	options, dir := provision.DefaultOptions(), ""
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Write dashboards and data sources as Grafana's provisioning files",
		Long: "Write dashboards and data sources as Grafana's provisioning files. Values may be what Grafana replaces\n" +
			"when it reads them: $NAME of its environment, $__file{/path} for a file's content.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, err := provision.Files(options)
			if err != nil {
				return err
			}
			return writeGenerated(cmd.OutOrStdout(), dir, files)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "deploy/grafana", "folder to write to")
	cmd.Flags().StringVar(&options.Dashboards, "dashboards", options.Dashboards, "where Grafana finds the folder \"dashboards\"")
	sourceFlags(cmd, &options)
	return cmd
}

var errLint = errors.New("dashboards: something is wrong in them")

// dashboardsLintCommand checks files of dashboards, or our own.
func dashboardsLintCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "lint [FILE…]",
		Short: "Check dashboards: units, data sources, grid, ids, variables, links",
		Long:  "Check dashboards in files, or without any those that are generated.",
		RunE: func(cmd *cobra.Command, args []string) error {
			files, known, err := toLint(args)
			if err != nil {
				return err
			}
			problems := lint.Check(files, known...)
			for _, p := range problems {
				fmt.Fprintln(cmd.OutOrStdout(), p)
			}
			if len(problems) > 0 {
				return errLint
			}
			return nil
		},
	}
}

// toLint reads the files, which may link to our own dashboards.
func toLint(paths []string) (files []lint.File, known []string, err error) {
	pages, err := provision.Pages(model.Languages()...)
	if err != nil {
		return nil, nil, err
	}
	if len(paths) == 0 {
		for _, p := range pages {
			files = append(files, lint.File{Name: string(p.Language) + "/" + p.Name, Text: p.JSON})
		}
		return files, nil, nil
	}
	for _, p := range pages {
		known = append(known, p.UID)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, fmt.Errorf("dashboards lint: %w", err)
		}
		files = append(files, lint.File{Name: path, Text: text})
	}
	return files, known, nil
}

// dashboardsListCommand names the dashboards, and what InfluxDB cannot show.
func dashboardsListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the dashboards, and what they lack in a store", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			pages, err := provision.Pages(model.Languages()...)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "LANGUAGE\tUID\tTITLE\tLEFT OUT")
			for _, p := range pages {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Language, p.UID, p.Title, strings.Join(p.Left, ", "))
			}
			return w.Flush()
		},
	}
}
