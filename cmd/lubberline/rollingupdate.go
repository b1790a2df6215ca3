package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/lubberline/lubberline/orchestrator/rollingupdate"
	"github.com/lubberline/lubberline/up"
)

const rollingUpdateExamples = `  # Another image, under the old name
  lubberline rolling-update web --image=web:2 --update-period=10s
  # Another image and another name
  lubberline rolling-update web-1 web-2 --image=web:2
  # Everything as the manifest says; it must have another value for one label of the selector
  lubberline rolling-update web-1 -f web-2.yaml
  # Go back, however far it is
  lubberline rolling-update web --rollback`

// rollingUpdateFlags are those that kubectl had.
type rollingUpdateFlags struct {
	cluster    *genericclioptions.ConfigFlags
	request    rollingupdate.Request
	pullPolicy string
	files      []string
	options    rollingupdate.Options
	dryRun     bool
}

func rollingUpdateCommand() *cobra.Command {
	flags := rollingUpdateFlags{cluster: genericclioptions.NewConfigFlags(true)}
	cmd := &cobra.Command{
		Use:   "rolling-update OLD [NEW] (--image=IMAGE | -f FILE)",
		Short: "Replace the pods of a replication controller one by one",
		Long: "Replace the pods of a replication controller one by one, as `kubectl rolling-update` did: a pod of the new\n" +
			"controller is started, and when it is available an old one is ended. All that is known of the update is in\n" +
			"annotations of both controllers: when this command is interrupted the same command goes on, and --rollback\n" +
			"goes back.",
		Example: rollingUpdateExamples,
		Args:    cobra.RangeArgs(1, 2),
		RunE:    flags.run,
	}
	flags.cluster.AddFlags(cmd.Flags())
	f := cmd.Flags()
	f.DurationVar(&flags.options.Period, "update-period", time.Minute, "time to wait between updating pods")
	f.DurationVar(&flags.options.Interval, "poll-interval", 3*time.Second, "time between two looks at the pods")
	f.DurationVar(&flags.options.Timeout, "timeout", 5*time.Minute, "give up when nothing changes for so long")
	f.StringSliceVarP(&flags.files, "filename", "f", nil, "file or URL of the new replication controller; - is the standard input")
	f.StringVar(&flags.request.Image, "image", "", "image of the new pods")
	f.StringVar(&flags.request.Container, "container", "", "container which gets the image, where the pods have several")
	f.StringVar(&flags.pullPolicy, "image-pull-policy", "", "when to pull the image; must be given when it is the same as before")
	f.StringVar(&flags.request.Key, "deployment-label-key", rollingupdate.DefaultKey, "label that tells the pods of two controllers apart, with --image")
	f.BoolVar(&flags.request.Rollback, "rollback", false, "take back an update that is not finished")
	f.BoolVar(&flags.dryRun, "dry-run", false, "only say which controllers are meant")
	return cmd
}

func (f *rollingUpdateFlags) run(cmd *cobra.Command, args []string) error {
	if err := f.complete(cmd, args); err != nil {
		return err
	}
	if err := f.request.Validate(); err != nil {
		return err
	}
	plan, err := rollingupdate.Resolve(cmd.Context(), f.options.Client, f.request)
	if err != nil {
		return err
	}
	if f.dryRun {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "Rolling from:\n%s\nTo:\n%s\n", plan.From, plan.To)
		return err
	}
	f.options.Plan, f.options.Out = plan, cmd.OutOrStdout()
	err = rollingupdate.New(f.options).Run(cmd.Context())
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted: the same command goes on with the update, --rollback takes it back")
	}
	if err != nil {
		return fmt.Errorf("%w\nThe same command goes on with the update, --rollback takes it back", err)
	}
	return f.printDone(cmd.OutOrStdout(), plan)
}

func (f *rollingUpdateFlags) complete(cmd *cobra.Command, args []string) error {
	if _, err := os.Stat(up.KubeconfigLink); err == nil && *f.cluster.KubeConfig == "" && os.Getenv("KUBECONFIG") == "" {
		*f.cluster.KubeConfig = up.KubeconfigLink
	}
	for name, value := range map[string]time.Duration{"update-period": f.options.Period, "poll-interval": f.options.Interval, "timeout": f.options.Timeout} {
		if value < 0 || value == 0 && name != "update-period" {
			return fmt.Errorf("--%s: %s: want more than 0", name, value)
		}
	}
	namespace, enforced, err := f.cluster.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return err
	}
	cfg, err := f.cluster.ToRESTConfig()
	if err != nil {
		return err
	}
	if f.options.Client, err = kubernetes.NewForConfig(cfg); err != nil {
		return err
	}
	f.options.Namespace, f.request.Namespace, f.request.Old = namespace, namespace, args[0]
	f.request.PullPolicy = corev1.PullPolicy(f.pullPolicy)
	if len(args) == 2 {
		f.request.New = args[1]
	}
	if len(f.files) > 0 {
		f.request.Manifest, err = f.manifest(cmd.InOrStdin(), enforced)
	}
	return err
}

// manifest is the one controller that the file has.
func (f *rollingUpdateFlags) manifest(in io.Reader, enforced bool) (*corev1.ReplicationController, error) {
	if len(f.files) > 1 {
		return nil, errors.New("may only specify a single filename for new controller")
	}
	builder := resource.NewBuilder(f.cluster).WithScheme(scheme.Scheme, schema.GroupVersion{Version: "v1"}).
		NamespaceParam(f.request.Namespace).DefaultNamespace().Flatten()
	if f.files[0] == "-" {
		builder = builder.Stream(in, "standard input")
	} else {
		builder = builder.FilenameParam(enforced, &resource.FilenameOptions{Filenames: f.files})
	}
	infos, err := builder.Do().Infos()
	if err != nil {
		return nil, err
	}
	if len(infos) != 1 {
		return nil, fmt.Errorf("%s specifies %d items, want one replication controller", f.files[0], len(infos))
	}
	rc, ok := infos[0].Object.(*corev1.ReplicationController)
	if !ok {
		return nil, fmt.Errorf("%s contains a %s not a ReplicationController", f.files[0], infos[0].Mapping.GroupVersionKind.Kind)
	}
	return rc, nil
}

func (f *rollingUpdateFlags) printDone(out io.Writer, plan *rollingupdate.Plan) error {
	name := plan.To
	if plan.Rename {
		name = plan.From
	}
	_, err := fmt.Fprintf(out, "replicationcontroller/%s rolling updated\n", name)
	return err
}
