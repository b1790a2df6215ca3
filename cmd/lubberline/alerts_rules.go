package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lubberline/lubberline/alerts/rules"
	"github.com/lubberline/lubberline/alerts/rules/ruletest"
)

// alertsGenerateCommand writes the shipped rules as files.
func alertsGenerateCommand() *cobra.Command {
	options, dir := rules.DefaultOptions(), ""
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Write the standard alert rules as files for Prometheus and Grafana",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, err := rules.Files(options)
			if err != nil {
				return err
			}
			return writeGenerated(cmd.OutOrStdout(), dir, files)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "deploy/alerts", "folder to write to")
	cmd.Flags().StringVar(&options.Runbooks, "runbooks", options.Runbooks, "address of the runbook pages")
	cmd.Flags().StringVar(&options.Grafana, "grafana", options.Grafana, "address of the Grafana that alerts link to")
	return cmd
}

var errRules = errors.New("alerts: some rules are wrong or do not do what their tests want")

// alertsCheckCommand names what is wrong in rule files.
func alertsCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "check FILE…",
		Short:   "Check rule files, and name file and line of what is wrong or odd",
		Example: "  lubberline alerts check /etc/lubberline/rules/*.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			files := make([]rules.File, len(args))
			for i, path := range args {
				files[i] = rules.LoadFile(path)
			}
			rules.Lint(files)
			failed := false
			for _, f := range files {
				failed = failed || f.Failed()
				for _, p := range f.Problems {
					fmt.Fprintln(cmd.OutOrStdout(), p.Error())
				}
			}
			if failed {
				return errRules
			}
			return nil
		},
	}
}

// alertsTestCommand runs unit tests of rules.
func alertsTestCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "test FILE…",
		Short:   "Run unit tests of rules, in promtool's format",
		Example: "  lubberline alerts test /etc/lubberline/rules/*_test.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			failed := false
			for _, path := range args {
				if err := ruletest.Run(path); err != nil {
					failed = true
					fmt.Fprintln(cmd.OutOrStdout(), err)
					continue
				}
				fmt.Fprintln(cmd.OutOrStdout(), path+": ok")
			}
			if failed {
				return errRules
			}
			return nil
		},
	}
}

// alertsExpandCommand writes declarations as the rules that they stand for.
func alertsExpandCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "expand FILE",
		Short: "Write a rule file with its baselines and comparisons as ordinary rules, for any Prometheus",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f := rules.LoadFile(args[0])
			for _, p := range f.Problems {
				fmt.Fprintln(cmd.ErrOrStderr(), p.Error())
			}
			if f.Failed() {
				return errRules
			}
			text, err := rules.RuleFile(f.Groups)
			if err != nil {
				return fmt.Errorf("alerts expand: %w", err)
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
}
