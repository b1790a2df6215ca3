package main

import (
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lubberline/lubberline/credentials"
)

func credentialsCommand() *cobra.Command {
	var o credentials.Options
	var mode string
	cmd := &cobra.Command{
		Use: "credentials DIR", Short: "Make the certificate and the secrets that collectors and the aggregator know each other by", Args: cobra.ExactArgs(1),
		Long: "Writes ca.crt, tls.crt, tls.key and secrets into DIR: what is missing, and what is near its end.\n" +
			"Keep DIR/authority: it renews the certificate, and nobody else needs it.",
		Example: "  lubberline credentials /etc/lubberline --host monitoring.example.org --host 192.0.2.10",
		RunE: func(cmd *cobra.Command, args []string) error {
			number, err := strconv.ParseUint(mode, 8, 9)
			if err != nil {
				return fmt.Errorf("mode %q: want octal digits, such as 0640", mode)
			}
			o.Dir, o.Mode, o.Logger = args[0], os.FileMode(number), slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			written, err := credentials.Make(o)
			if err == nil && len(written) > 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "written to %s: %s\n", o.Dir, strings.Join(written, " "))
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.Hosts, "host", nil, "a name or address that the aggregator is reached by; may be repeated")
	f.StringSliceVar(&o.Secrets, "secret", []string{"token", "forward-key"}, "name of a file with a secret; may be repeated")
	f.StringVar(&mode, "mode", "0600", "mode of the files")
	return cmd
}
