package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/lubberline/lubberline/orchestrator/join"
	"github.com/lubberline/lubberline/orchestrator/pki"
	"github.com/lubberline/lubberline/up"
)

func tokenCommand() *cobra.Command {
	var kubeconfig string
	cmd := &cobra.Command{Use: "token", Short: "Tokens by which other machines join the cluster"}
	cmd.PersistentFlags().StringVar(&kubeconfig, "kubeconfig", "", "administrator's file; empty is KUBECONFIG, or that of the `lubberline up` on this machine")
	var life time.Duration
	var description string
	create := &cobra.Command{
		Use: "create", Short: "Make a token and print it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return createToken(cmd.Context(), cmd.OutOrStdout(), kubeconfig, description, life)
		},
	}
	create.Flags().DurationVar(&life, "ttl", 24*time.Hour, "how long it lets machines in; 0 is for ever")
	create.Flags().StringVar(&description, "description", "", "what it is for")
	list := &cobra.Command{
		Use: "list", Short: "List the tokens", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return listTokens(cmd.Context(), cmd.OutOrStdout(), kubeconfig)
		},
	}
	remove := &cobra.Command{
		Use: "delete ID", Short: "Delete a token; nodes that have joined with it stay", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return deleteToken(cmd.Context(), cmd.OutOrStdout(), kubeconfig, args[0])
		},
	}
	cmd.AddCommand(create, list, remove)
	return cmd
}

// admin is a client by the administrator's file.
func admin(file string) (kubernetes.Interface, *rest.Config, error) {
	if file == "" {
		file = os.Getenv("KUBECONFIG")
	}
	if file == "" {
		file = up.KubeconfigLink
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		return nil, nil, err
	}
	client, err := kubernetes.NewForConfig(cfg)
	return client, cfg, err
}

func createToken(ctx context.Context, out io.Writer, kubeconfig, description string, life time.Duration) error {
	if life < 0 {
		return fmt.Errorf("ttl %s: want 0 or more", life)
	}
	client, cfg, err := admin(kubeconfig)
	if err != nil {
		return err
	}
	if err := rest.LoadTLSFiles(cfg); err != nil {
		return err
	}
	if len(cfg.CAData) == 0 {
		return errors.New("the kubeconfig names no certificate authority: machines that join could not verify the control host")
	}
	hash, err := pki.Hash(cfg.CAData)
	if err != nil {
		return err
	}
	token, err := join.NewToken(hash)
	if err != nil {
		return err
	}
	var ends time.Time
	if life > 0 {
		ends = time.Now().Add(life)
	}
	if _, err := client.CoreV1().Secrets(metav1.NamespaceSystem).Create(ctx, join.NewSecret(token, description, ends), metav1.CreateOptions{}); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, token)
	return err
}

func listTokens(ctx context.Context, out io.Writer, kubeconfig string) error {
	client, _, err := admin(kubeconfig)
	if err != nil {
		return err
	}
	secrets, err := client.CoreV1().Secrets(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("type", string(join.SecretType)).String(),
	})
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tEXPIRES\tDESCRIPTION")
	for i := range secrets.Items {
		kept, err := join.ReadSecret(&secrets.Items[i])
		if err != nil {
			fmt.Fprintf(w, "%s\t<invalid>\t%v\n", secrets.Items[i].Name, err)
			continue
		}
		ends := "never"
		switch {
		case kept.Ended(time.Now()):
			ends = "expired"
		case !kept.Ends.IsZero():
			ends = kept.Ends.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", kept.ID, ends, kept.Description)
	}
	return w.Flush()
}

func deleteToken(ctx context.Context, out io.Writer, kubeconfig, id string) error {
	client, _, err := admin(kubeconfig)
	if err != nil {
		return err
	}
	if err := client.CoreV1().Secrets(metav1.NamespaceSystem).Delete(ctx, join.SecretPrefix+id, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("token %s: %w", id, err)
	}
	_, err = fmt.Fprintf(out, "token %q deleted\n", id)
	return err
}
