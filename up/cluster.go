package up

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	aggregator "github.com/lubberline/lubberline/aggregator/app"
	"github.com/lubberline/lubberline/logging"
	orchestrator "github.com/lubberline/lubberline/orchestrator/app"
	"github.com/lubberline/lubberline/orchestrator/join"
)

// cluster is the orchestrator within this process, and what it shares with the
// halves of the monitoring.
type cluster struct {
	app     *orchestrator.App // nil where no pods are run
	metrics *prometheus.Registry
	stats   atomic.Value  // http.Handler of the collector, once it is built
	told    chan struct{} // closed when the node's readiness has been announced
}

// clusterBound is how long the hints wait for the node; the monitoring is ready
// without it.
const clusterBound = 20 * time.Second

// awaitCluster waits until the node's readiness has been announced.
func (r *run) awaitCluster(ctx context.Context) {
	select {
	case <-r.cluster.told:
	case <-time.After(clusterBound):
	case <-ctx.Done():
	}
}

// buildCluster makes the orchestrator, unless it is switched off. Where this
// machine cannot run pods the monitoring goes on without them.
func (r *run) buildCluster(ctx context.Context) {
	if !r.cfg.Orchestrator.Enabled {
		return
	}
	r.cluster.metrics = prometheus.NewRegistry()
	app, err := orchestrator.New(ctx, orchestrator.Options{
		Config: r.cfg.Orchestrator, DataDir: filepath.Join(r.cfg.DataDir, "orchestrator"), Node: r.node,
		ResourceMetrics: r.cfg.aggregatorSocket(), Stats: http.HandlerFunc(r.cluster.serveStats),
		Registerer: r.cluster.metrics, Logger: logging.Component(r.log, "orchestrator"),
	})
	if err != nil {
		r.log.Error("no pods run here: monitoring only", "error", err)
		r.steps.say("         no pods run here: %v", err)
		return
	}
	r.cluster.app = app
	r.group.Go("orchestrator", r.runCluster)
}

// serveStats passes on to the collector, which is built later.
func (c *cluster) serveStats(w http.ResponseWriter, request *http.Request) {
	handler, ok := c.stats.Load().(http.Handler)
	if !ok {
		http.Error(w, "the collector is not running yet", http.StatusServiceUnavailable)
		return
	}
	handler.ServeHTTP(w, request)
}

// runCluster keeps the monitoring alive when the orchestrator fails.
func (r *run) runCluster(ctx context.Context) error {
	if err := r.cluster.app.Run(ctx); err != nil && ctx.Err() == nil {
		r.log.Error("the orchestrator ended; pods go on, but nothing looks after them until a restart", "error", err)
		<-ctx.Done()
	}
	return nil
}

// joined is the cluster as the aggregator watches it; nil without one.
func (c *cluster) joined() *aggregator.Cluster {
	if c.app == nil {
		return nil
	}
	return &aggregator.Cluster{Client: c.app.Client(), Informers: c.app.Informers(), Gathers: c.app.Gathers}
}

// own is what one of several control hosts ships with; nil where there is one.
func (c *cluster) own() *join.Identity {
	if c.app == nil {
		return nil
	}
	return c.app.Own()
}

// listenLogs is where joined machines ship their logs; nil for nowhere.
func (c *cluster) listenLogs() (net.Listener, error) {
	if c.app == nil {
		return nil, nil
	}
	return c.app.ListenLogs()
}

// gatherer is the orchestrator's own metrics; nil without one.
func (c *cluster) gatherer() prometheus.Gatherer {
	if c.app == nil {
		return nil
	}
	return c.metrics
}

// runtimeSocket is where the collector asks for the pods' names.
func (c *cluster) runtimeSocket() string {
	if c.app == nil {
		return ""
	}
	return c.app.RuntimeSocket()
}

// podLogs is where the pods' log files are, empty without pods.
func (c *cluster) podLogs(cfg *Config) string {
	if c.app == nil {
		return ""
	}
	return cfg.Orchestrator.Runtime.PodLogs
}

// announceCluster says when the API answers and when the node takes pods, and
// leaves links for other commands.
func (r *run) announceCluster(ctx context.Context) {
	defer close(r.cluster.told)
	app := r.cluster.app
	if app == nil {
		return
	}
	links := map[string]string{KubeconfigLink: app.Kubeconfig(), RuntimeLink: app.RuntimeSocket()}
	for _, stage := range []struct {
		reached <-chan struct{}
		say     func()
	}{
		{app.APIReady(), func() { r.steps.step("Kubernetes API on %s: export KUBECONFIG=%s", app.URL(), app.Kubeconfig()) }},
		{app.Ready(), func() { r.steps.step("node %s is Ready for pods", r.node) }},
	} {
		select {
		case <-stage.reached:
			stage.say()
		case <-ctx.Done():
			return
		}
		for path, target := range links {
			if err := link(path, target); err != nil {
				r.log.Warn("no link for other commands", "error", err)
			}
		}
		links = nil
	}
	r.announceJoin(ctx)
}

// announceJoin says how other machines join, where they can.
func (r *run) announceJoin(ctx context.Context) {
	command, err := r.cluster.app.JoinCommand(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		r.log.Warn("no token for other machines", "error", err)
	case command != "":
		r.steps.say("         other machines join with: %s", command)
	}
}

// unlinkCluster takes the links away again.
func (r *run) unlinkCluster(context.Context) error {
	if r.cluster.app == nil {
		return nil
	}
	return errors.Join(unlink(KubeconfigLink, r.cluster.app.Kubeconfig()), unlink(RuntimeLink, r.cluster.app.RuntimeSocket()))
}
