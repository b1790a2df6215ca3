package main

import (
	"github.com/spf13/cobra"

	"github.com/lubberline/lubberline/config"
	"github.com/lubberline/lubberline/orchestrator/join"
	"github.com/lubberline/lubberline/up"
)

// joinFlags are the settings that are worth a flag.
type joinFlags struct {
	config, dataDir, token, hash, node, address string
}

func joinCommand() *cobra.Command {
	var flags joinFlags
	cmd := &cobra.Command{
		Use: "join [https://HOST:PORT]", Short: "Run pods on this machine for a cluster that another one controls", Args: cobra.MaximumNArgs(1),
		Long: "Make this machine a node of a cluster and run its pods, with a token that `lubberline up` or `lubberline token create`\n" +
			"prints on the control host. The control host is verified by the hash in the token before anything is told to it. A\n" +
			"machine that has joined keeps its certificate in the data directory and needs no token from then on.",
		RunE: func(cmd *cobra.Command, args []string) error { return runJoin(cmd, args, flags) },
	}
	f := cmd.Flags()
	f.StringVar(&flags.config, "config", "", "configuration file (YAML)")
	f.StringVar(&flags.dataDir, "data-dir", up.DefaultConfig().DataDir, "where all data is kept")
	f.StringVar(&flags.token, "token", "", "token of the control host, ID.SECRET.HASH or ID.SECRET")
	f.StringVar(&flags.hash, "ca-hash", "", "hash of the cluster's authority, sha256:HEX, where the token has none")
	f.StringVar(&flags.node, "node", "", "name of this node; empty is the host's name")
	f.StringVar(&flags.address, "address", "", "this machine's address, as other nodes reach it; empty is the one that the control host sees")
	return cmd
}

func runJoin(cmd *cobra.Command, args []string, flags joinFlags) error {
	cfg := up.DefaultConfig()
	if err := config.Load(flags.config, cfg); err != nil {
		return err
	}
	for name, into := range map[string]*string{
		"data-dir": &cfg.DataDir, "node": &cfg.Collector.Node, "address": &cfg.Orchestrator.Address,
	} {
		if cmd.Flags().Changed(name) {
			*into = cmd.Flag(name).Value.String()
		}
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	o := up.JoinOptions{Options: up.Options{Config: cfg, Out: cmd.OutOrStdout(), Log: cmd.ErrOrStderr()}}
	if len(args) > 0 {
		o.Server = args[0]
	}
	if flags.token != "" {
		var err error
		if o.Token, err = join.ParseToken(flags.token, flags.hash); err != nil {
			return err
		}
	}
	return up.Join(cmd.Context(), o)
}
