// Package app puts the aggregator together: what receives, what stores, what
// rolls up, what answers. `lubberline aggregator` and `lubberline up` run it.
package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/prometheus/promql"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"

	"github.com/lubberline/lubberline/aggregator/api/heapster"
	joined "github.com/lubberline/lubberline/aggregator/kubernetes"
	"github.com/lubberline/lubberline/aggregator/logstore"
	"github.com/lubberline/lubberline/aggregator/metricstore"
	receivelogs "github.com/lubberline/lubberline/aggregator/receive/logs"
	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/alerts"
	"github.com/lubberline/lubberline/dirlock"
	"github.com/lubberline/lubberline/lifecycle"
	"github.com/lubberline/lubberline/listen"
	"github.com/lubberline/lubberline/logging"
)

// closeBound is how long each part may take to end; stores write what they
// have in memory.
const closeBound = 30 * time.Second

// Options is what an aggregator is made of.
type Options struct {
	Config Config
	// DataDir holds the stores and the sinks' spools; one aggregator at a time.
	DataDir string
	// LocalSocket is a path at which the same HTTP is served without a token,
	// for a collector in the same process or on the same machine; may be empty.
	LocalSocket string
	// Cluster is the one to join metrics and logs with, in place of the one that
	// Config names; nil for none.
	Cluster *Cluster
	// NodeLogs takes log records by the forward protocol from whoever it lets in;
	// may be nil. The aggregator closes it.
	NodeLogs net.Listener
	// Metrics of other parts of the process are shown beside our own; may be nil.
	Metrics prometheus.Gatherer
	// Node is this machine's name in the series of our own metrics; empty is its
	// host name.
	Node string
	// Hangup makes rules and receivers be read again; may be nil.
	Hangup <-chan os.Signal
	Logger *slog.Logger
}

// Cluster is a Kubernetes API. Whoever made the informers starts them after New.
type Cluster struct {
	Client    kubernetes.Interface
	Informers informers.SharedInformerFactory
	// Gathers says whether the nodes ship to this aggregator: of several control
	// hosts one has what they tell. nil is always.
	Gathers func() bool
}

// App is an aggregator with its stores open and its listeners bound.
type App struct {
	cfg     Config
	dataDir string
	log     *slog.Logger
	metrics *prometheus.Registry
	others  prometheus.Gatherer // may be nil

	ownFailed sync.Once // to log that own metrics cannot be stored
	group     *lifecycle.Group

	metricStore *metricstore.Store
	logStore    *logstore.Store
	logStores   []receivelogs.Store // all that must have a chunk before its ack
	sinks       []rollup.Sink
	engine      *promql.Engine
	rollup      *rollup.Rollup
	historical  heapster.History
	cluster     *Cluster
	join        *joined.Join    // nil without a cluster
	alerts      *alerts.Manager // nil when rules are not evaluated

	router      *gin.Engine    // what both listeners serve
	http, local *listen.Server // local may be nil
	forward     net.Addr
}

// New opens the stores and binds the listeners. What it acquired is released
// again when it fails, or else when Run ends.
func New(ctx context.Context, o Options) (_ *App, err error) {
	a := &App{
		cfg: o.Config, dataDir: o.DataDir, cluster: o.Cluster, others: o.Metrics, log: o.Logger,
		metrics: prometheus.NewRegistry(), group: lifecycle.New(logging.Component(o.Logger, "aggregator"), closeBound),
	}
	a.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	defer func() {
		if err != nil {
			_ = a.group.Cleanups()
		}
	}()
	lock, err := dirlock.Take(o.DataDir)
	if err != nil {
		return nil, fmt.Errorf("aggregator: %w", err)
	}
	a.group.Close("data directory", lock)
	steps := []func() error{
		a.openStores,
		a.buildInfluxDB,
		a.buildElasticsearch,
		func() error { return a.buildRollup(ctx) },
		a.buildJoin,
		a.buildAlerts,
		func() error { return a.buildOwnSeries(o.Node) },
		func() error { return a.buildForward(o.NodeLogs) },
		func() error { return a.buildHTTP(o.LocalSocket) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	a.group.Go("reload", func(ctx context.Context) error { return a.heedHangup(ctx, o.Hangup) })
	return a, nil
}

// Run works until ctx ends or a part fails, and releases everything.
func (a *App) Run(ctx context.Context) error { return a.group.Run(ctx) }

// HTTPAddr is where the APIs are served.
func (a *App) HTTPAddr() net.Addr { return a.http.Addr() }

// ForwardAddr is where log records are received, nil when nowhere.
func (a *App) ForwardAddr() net.Addr { return a.forward }

// OwnLogs is where a logging.Pipeline can post; empty when nowhere, or when
// senders need TLS or a key, which the pipeline's client does not know.
func (a *App) OwnLogs() string {
	if a.forward == nil || a.cfg.Forward.CertFile != "" || a.cfg.Forward.SharedKeyFile != "" {
		return ""
	}
	if a.forward.Network() == "unix" {
		return "unix://" + a.forward.String()
	}
	return a.forward.String()
}

// Reload reads the files of alert rules and receivers again. What is wrong goes
// on in its old form; the error names file and line.
func (a *App) Reload() error {
	if a.alerts == nil {
		return nil
	}
	return a.alerts.Reload()
}

// Latest is the newest batch of figures, nil before the first.
func (a *App) Latest() *rollup.Batch { return a.rollup.Latest() }

func (a *App) path(name string) string { return filepath.Join(a.dataDir, name) }

func (a *App) logger(part string) *slog.Logger { return logging.Component(a.log, part) }
