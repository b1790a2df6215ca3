package up

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	collector "github.com/lubberline/lubberline/collector/app"
	"github.com/lubberline/lubberline/lifecycle"
	"github.com/lubberline/lubberline/logging"
	orchestrator "github.com/lubberline/lubberline/orchestrator/app"
	"github.com/lubberline/lubberline/orchestrator/join"
	"github.com/lubberline/lubberline/version"
	"github.com/prometheus/client_golang/prometheus"
)

// JoinOptions is what `lubberline join` runs with.
type JoinOptions struct {
	Options
	// Server is the control host's URL. It and Token may be empty on a machine
	// that has joined before.
	Server string
	Token  join.Token
}

// Join makes this machine a node of a cluster that another one controls, and
// works until ctx ends: it runs pods, and ships its metrics and logs there.
func Join(ctx context.Context, o JoinOptions) error {
	cfg := o.Config
	if err := makeAbsolute(&cfg.DataDir); err != nil {
		return err
	}
	level, err := logging.ParseLevel(cfg.LogLevel)
	if err != nil {
		return err
	}
	node, err := cfg.Collector.NodeName()
	if err != nil {
		return err
	}
	pipeline := logging.NewPipeline(node)
	r := &run{cfg: cfg, steps: newSteps(o.Out), node: node, log: logging.New(o.Log, level, pipeline)}
	r.steps.say("Lubberline %s, data in %s", version.Version, cfg.DataDir)
	logKubernetes(r.log)
	r.group = lifecycle.New(r.log, closeBound)
	m, err := r.buildMember(ctx, o)
	if err != nil {
		return err
	}
	if address := r.collector.OwnLogs(); address != "" {
		if err := pipeline.Start(address); err != nil {
			return errors.Join(err, r.group.Cleanups())
		}
		r.group.Go("own logs", pipeline.Run)
	}
	r.group.Go("progress", func(ctx context.Context) error {
		r.announceMember(ctx, m)
		<-ctx.Done()
		return nil
	})
	r.group.Cleanup("links", func(context.Context) error { return unlink(RuntimeLink, m.RuntimeSocket()) })
	return r.group.Run(ctx)
}

func (r *run) buildMember(ctx context.Context, o JoinOptions) (*orchestrator.Member, error) {
	dir := filepath.Join(r.cfg.DataDir, "orchestrator")
	identity, err := r.identify(ctx, o, orchestrator.IdentityDir(dir))
	if err != nil {
		return nil, err
	}
	if identity.Node != r.node {
		return nil, fmt.Errorf("this machine is node %q of its cluster and cannot become %q: set collector.node, or use another data directory", identity.Node, r.node)
	}
	registry := prometheus.NewRegistry()
	m, err := orchestrator.NewMember(ctx, orchestrator.MemberOptions{
		Config: r.cfg.Orchestrator, DataDir: dir, Identity: identity, Stats: http.HandlerFunc(r.cluster.serveStats),
		Registerer: registry, Logger: logging.Component(r.log, "orchestrator"),
	})
	if err != nil {
		return nil, err
	}
	r.group.Go("node", m.Run)
	if err := r.shipTo(identity); err != nil {
		return nil, errors.Join(err, closeNow(m))
	}
	r.collector, err = collector.New(collector.Options{
		Config: r.cfg.Collector, DataDir: filepath.Join(r.cfg.DataDir, "collector"), CRISocket: m.RuntimeSocket(), PodLogs: r.cfg.Orchestrator.Runtime.PodLogs,
		Metrics: registry, Logger: r.log,
	})
	if err != nil {
		return nil, errors.Join(err, closeNow(m))
	}
	r.cluster.stats.Store(r.collector.Handler())
	r.group.Go("collector", r.collector.Run)
	return m, nil
}

// identify opens what an earlier run has got, or joins.
func (r *run) identify(ctx context.Context, o JoinOptions, dir string) (*join.Identity, error) {
	options := join.Options{Dir: dir, Logger: logging.Component(r.log, "join")}
	identity, err := join.Open(options)
	switch {
	case err == nil:
		if u, err := join.CheckURL(o.Server); o.Server != "" && (err != nil || u.String() != identity.Server) {
			return nil, errors.Join(err, fmt.Errorf("this machine is a node of the cluster of %s: use another data directory to join %s", identity.Server, o.Server))
		}
		r.steps.step("node %s of the cluster of %s", identity.Node, identity.Server)
		return identity, nil
	case !errors.Is(err, join.ErrNone):
		return nil, err
	case o.Server == "" || o.Token.ID == "":
		return nil, fmt.Errorf("%w: want `lubberline join https://HOST:PORT --token TOKEN`, as `lubberline up` prints it there", err)
	}
	identity, err = join.Join(ctx, options, o.Server, o.Token, r.node, r.cfg.Orchestrator.Address)
	if err != nil {
		return nil, err
	}
	r.steps.step("joined the cluster of %s as node %s with address %s", identity.Server, identity.Node, identity.Address)
	return identity, nil
}

// shipTo has the collector send everything to the control host that answers,
// with the node's certificate, where the configuration does not send it
// elsewhere.
func (r *run) shipTo(identity *join.Identity) error {
	c := &r.cfg.Collector
	relay := func(name, address string) (string, error) {
		socket := filepath.Join(r.cfg.DataDir, "run", name)
		to, err := identity.Relay(socket, address)
		if err == nil {
			r.group.Go("relay "+name, to.Run)
		}
		return "unix://" + socket, err
	}
	if c.RemoteWrite.URL == "" && identity.Cluster.Metrics {
		to, err := relay("write.sock", strings.TrimPrefix(identity.Server, "https://"))
		if err != nil {
			return err
		}
		c.RemoteWrite.URL = to + "?path=" + join.PathWrite
	}
	if c.LogOutput.Address == "" && identity.Cluster.Logs != "" {
		to, err := relay("logs.sock", identity.Cluster.Logs)
		if err != nil {
			return err
		}
		c.LogOutput.Address = to
	}
	return nil
}

func (r *run) announceMember(ctx context.Context, m *orchestrator.Member) {
	r.steps.step("pods have addresses of %s, metrics and logs go to the control host", m.PodRange())
	select {
	case <-m.Ready():
		r.steps.step("node %s is Ready for pods", r.node)
	case <-ctx.Done():
		return
	}
	if err := link(RuntimeLink, m.RuntimeSocket()); err != nil {
		r.log.Warn("no link for other commands", "error", err)
	}
}
