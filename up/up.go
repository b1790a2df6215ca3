// Package up runs everything of one machine in one process: the aggregator,
// the collector that feeds it, and the way of our own log records into it.
package up

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	aggregator "github.com/lubberline/lubberline/aggregator/app"
	collector "github.com/lubberline/lubberline/collector/app"
	"github.com/lubberline/lubberline/doctor"
	"github.com/lubberline/lubberline/lifecycle"
	"github.com/lubberline/lubberline/logging"
	"github.com/lubberline/lubberline/version"
)

// closeBound covers the halves' own bounds.
const closeBound = time.Minute

// Options is what `lubberline up` runs with.
type Options struct {
	Config *Config
	// Hangup makes alert rules and receivers be read again; may be nil.
	Hangup <-chan os.Signal
	// Out takes the steps and addresses for the person at the terminal.
	Out io.Writer
	// Log takes the log records.
	Log io.Writer
}

// Run starts everything, tells where it is, and works until ctx ends.
func Run(ctx context.Context, o Options) error {
	cfg := o.Config
	if err := makeAbsolute(&cfg.DataDir); err != nil {
		return err
	}
	level, err := logging.ParseLevel(cfg.LogLevel)
	if err != nil {
		return err
	}
	r := &run{cfg: cfg, hangup: o.Hangup, steps: newSteps(o.Out), cluster: cluster{told: make(chan struct{})}}
	r.steps.say("Lubberline %s, data in %s", version.Version, cfg.DataDir)
	return r.start(ctx, o.Log, level)
}

// run is the process while it comes up.
type run struct {
	cfg    *Config
	hangup <-chan os.Signal
	steps  *steps
	node   string
	log    *slog.Logger
	group  *lifecycle.Group

	cluster    cluster
	aggregator *aggregator.App
	collector  *collector.App
}

func (r *run) start(ctx context.Context, logTo io.Writer, level slog.Level) error {
	node, err := r.cfg.Collector.NodeName()
	if err != nil {
		return err
	}
	pipeline := logging.NewPipeline(node)
	r.node, r.log = node, logging.New(logTo, level, pipeline)
	logKubernetes(r.log)
	r.group = lifecycle.New(r.log, closeBound)
	if err := r.build(ctx); err != nil {
		return err
	}
	if address := r.collector.OwnLogs(); address != "" {
		if err := pipeline.Start(address); err != nil {
			return errors.Join(err, r.group.Cleanups())
		}
		r.group.Go("own logs", pipeline.Run)
	}
	for name, tell := range map[string]func(context.Context){"first figures": r.announce, "cluster": r.announceCluster} {
		r.group.Go(name, func(ctx context.Context) error {
			tell(ctx)
			<-ctx.Done()
			return nil
		})
	}
	r.group.Cleanup("links", r.unlinkCluster)
	return r.group.Run(ctx)
}

func (r *run) build(ctx context.Context) (err error) {
	r.buildCluster(ctx)
	defer func() {
		if err != nil && r.cluster.app != nil {
			err = errors.Join(err, closeNow(r.cluster.app))
		}
	}()
	nodeLogs, err := r.cluster.listenLogs()
	if err != nil {
		return err
	}
	if own := r.cluster.own(); own != nil {
		if err := r.shipTo(own); err != nil {
			return err
		}
	}
	r.cfg.connect()
	r.aggregator, err = aggregator.New(ctx, aggregator.Options{
		Config: r.cfg.Aggregator, DataDir: r.cfg.DataDir, LocalSocket: r.cfg.aggregatorSocket(), Cluster: r.cluster.joined(),
		Metrics: r.cluster.gatherer(), NodeLogs: nodeLogs, Node: r.node, Hangup: r.hangup, Logger: r.log,
	})
	if err != nil {
		return err
	}
	r.group.Go("aggregator", r.aggregator.Run)
	r.steps.step("stores open, APIs on http://%s", r.aggregator.HTTPAddr())
	r.collector, err = collector.New(collector.Options{
		Config: r.cfg.Collector, DataDir: filepath.Join(r.cfg.DataDir, "collector"),
		CRISocket: r.cluster.runtimeSocket(), PodLogs: r.cluster.podLogs(r.cfg), Logger: r.log,
	})
	if err != nil {
		return errors.Join(err, closeNow(r.aggregator))
	}
	r.cluster.stats.Store(r.collector.Handler())
	r.group.Go("collector", r.collector.Run)
	r.steps.step("collector of node %s, samples every %s: metrics on http://%s/metrics, forward on %s",
		r.collector.Node(), r.cfg.Collector.Interval, addr(r.collector.HTTPAddr()), addr(r.collector.ForwardAddr()))
	return nil
}

// closeNow releases what a half has acquired without running it.
func closeNow(a interface{ Run(context.Context) error }) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return a.Run(ctx)
}

func addr(a net.Addr) string {
	if a == nil {
		return "(off)"
	}
	return a.String()
}

// announce waits for the first sample and the first figures, and then says what
// to try. It only talks: nothing waits for it.
func (r *run) announce(ctx context.Context) {
	select {
	case <-r.collector.Ready():
	case <-ctx.Done():
		return
	}
	r.steps.step("every container of this machine has been read")
	r.awaitCluster(ctx)
	r.tellCosts(ctx)
	r.steps.say("\nReady. Try:\n%s\n", strings.Join(r.suggestions(), "\n"))
	for r.aggregator.Latest() == nil {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
	r.steps.step("first figures: %d objects", len(r.aggregator.Latest().Sets))
}

// tellCosts says what this machine, or our rights on it, keep us from showing.
func (r *run) tellCosts(ctx context.Context) {
	findings := doctor.Examine(ctx, doctor.Options{DataDir: r.cfg.DataDir, Sockets: r.cfg.Collector.Runtimes.Sockets()})
	for _, f := range findings {
		if f.Check == "runtimes" && r.cluster.app != nil {
			continue // ours is just being started
		}
		if f.Status != doctor.OK {
			r.steps.say("         %s: %s", f.Seen, f.Means)
		}
	}
}

func (r *run) suggestions() []string {
	base := "http://" + r.aggregator.HTTPAddr().String()
	var pods []string
	if r.cluster.app != nil {
		pods = []string{
			"  export KUBECONFIG=" + KubeconfigLink,
			"  lubberline images build-busybox",
			"  kubectl run hello --image=busybox:1 -- sh -c 'while date; do sleep 1; done'",
			"  kubectl get pods -o wide; kubectl logs -f hello; kubectl top pods",
		}
	}
	return append(pods,
		fmt.Sprintf("  curl -s %s/api/v1/model/namespaces/docker/pods/", base),
		fmt.Sprintf("  curl -s '%s/api/v1/logs?text=error&format=text'", base),
		fmt.Sprintf("  curl -s '%s/api/v1/query?query=topk(5,rate(container_cpu_usage_seconds_total[1m]))'", base),
	)
}

func makeAbsolute(path *string) error {
	abs, err := filepath.Abs(*path)
	if err != nil {
		return fmt.Errorf("data_dir %q: %w", *path, err)
	}
	*path = abs
	return nil
}
