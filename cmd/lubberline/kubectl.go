package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"

	"github.com/lubberline/lubberline/up"
)

// kubectlCommand is in the list of commands for its help; main runs kubectl
// before our own flags are looked at.
func kubectlCommand() *cobra.Command {
	return &cobra.Command{
		Use: "kubectl", Short: "The real kubectl, for the cluster that runs here", DisableFlagParsing: true,
		Run: func(_ *cobra.Command, args []string) { runKubectl(args) },
	}
}

// asKubectl returns kubectl's arguments when this program was called for it:
// `lubberline kubectl …`, or by a link of that name.
func asKubectl(args []string) ([]string, bool) {
	if filepath.Base(args[0]) == "kubectl" {
		return args[1:], true
	}
	if len(args) > 1 && args[1] == "kubectl" {
		return args[2:], true
	}
	return nil, false
}

// runKubectl is kubectl's own main. Unless it is told of a cluster, it speaks to
// the one that `lubberline up` runs on this machine.
func runKubectl(args []string) {
	os.Args = append([]string{"kubectl"}, args...)
	named := slices.ContainsFunc(args, func(a string) bool { return a == "--kubeconfig" || strings.HasPrefix(a, "--kubeconfig=") })
	if _, err := os.Stat(up.KubeconfigLink); err == nil && !named && os.Getenv("KUBECONFIG") == "" {
		os.Setenv("KUBECONFIG", up.KubeconfigLink)
	}
	_, _ = logs.GlogSetter(kubectl.GetLogVerbosity(os.Args))
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err) // ends the program with kubectl's own status
	}
}
