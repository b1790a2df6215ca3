// Package prometheus serves Prometheus's HTTP query API on the embedded metric
// store: query, query_range, series, labels, label values, exemplars (of which
// there are none), format and parse, and the states of rules and alerts, with Prometheus's own handlers, and metadata
// from the catalog.
package prometheus

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/grafana/regexp"
	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	v1 "github.com/prometheus/prometheus/web/api/v1"
)

// Options are what the API needs.
type Options struct {
	Engine promql.QueryEngine
	Store  storage.SampleAndChunkQueryable
	// Version is what status/buildinfo says of us.
	Version string
	// Rules and Alertmanagers are shown; may be nil.
	Rules         v1.RulesRetriever
	Alertmanagers v1.AlertmanagerRetriever
	// MaxBody bounds the form of a POST: 1 MiB.
	MaxBody    int64
	Logger     *slog.Logger
	Registerer client.Registerer
}

// API serves the paths. Safe for concurrent use.
type API struct {
	handler http.Handler
	maxBody int64
}

const (
	prefix         = "/api/v1"
	defaultMaxBody = 1 << 20
)

// New makes the API.
func New(o Options) (*API, error) {
	if o.Engine == nil || o.Store == nil {
		return nil, errors.New("prometheus API: engine and store are needed")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxBody <= 0 {
		o.MaxBody = defaultMaxBody
	}
	if o.Rules == nil {
		o.Rules = noRules{}
	}
	if o.Alertmanagers == nil {
		o.Alertmanagers = noRules{}
	}
	router := route.New()
	handlers(o).Register(router.WithPrefix(prefix))
	return &API{handler: router, maxBody: o.MaxBody}, nil
}

// handlers makes Prometheus's handlers. What they need for paths that are not
// registered here (targets, administration) is left out.
func handlers(o Options) *v1.API {
	reg := o.Registerer
	if reg == nil {
		reg = client.NewRegistry()
	}
	build := &v1.PrometheusVersion{Version: o.Version, GoVersion: runtime.Version()}
	return v1.NewAPI(
		o.Engine, o.Store, nil, noExemplars{},
		func(context.Context) v1.ScrapePoolsRetriever { return nil },
		func(context.Context) v1.TargetRetriever { return nil },
		func(context.Context) v1.AlertmanagerRetriever { return o.Alertmanagers },
		func() config.Config { return config.DefaultConfig },
		map[string]string{}, v1.GlobalURLOptions{},
		func(f http.HandlerFunc) http.HandlerFunc { return f },
		nil, "", false, false, 0, o.Logger,
		func(context.Context) v1.RulesRetriever { return o.Rules },
		0, 1, 1<<20, false, regexp.MustCompile("^$"),
		func() (v1.RuntimeInfo, error) { return v1.RuntimeInfo{StartTime: time.Now()}, nil },
		build, nil, nil, nil, reg, nil, false, nil, false, false, false,
		DefaultLookback, false, false, nil, nil, v1.OpenAPIOptions{}, parser.NewParser(parser.Options{}), false, 0,
	)
}

// noExemplars answers for a store that keeps none: Grafana asks beside each
// query of a panel or of Explore that shows exemplars.
type noExemplars struct{}

func (n noExemplars) ExemplarQuerier(context.Context) (storage.ExemplarQuerier, error) {
	return n, nil
}

func (noExemplars) Select(int64, int64, ...[]*labels.Matcher) ([]exemplar.QueryResult, error) {
	return []exemplar.QueryResult{}, nil
}

// noRules answers where nothing is evaluated.
type noRules struct{}

func (noRules) RuleGroups() []*rules.Group           { return nil }
func (noRules) AlertingRules() []*rules.AlertingRule { return nil }
func (noRules) Alertmanagers() []*url.URL            { return nil }
func (noRules) DroppedAlertmanagers() []*url.URL     { return nil }

// Register adds the paths below /api/v1.
func (a *API) Register(r gin.IRouter) {
	group := r.Group(prefix)
	for _, path := range []string{"/query", "/query_range", "/series", "/labels", "/query_exemplars", "/format_query", "/parse_query"} {
		group.GET(path, a.serve)
		group.POST(path, a.serve)
	}
	group.GET("/label/:name/values", a.serve)
	for _, path := range []string{"/status/buildinfo", "/rules", "/alerts", "/alertmanagers"} {
		group.GET(path, a.serve)
	}
	group.GET("/metadata", metadata)
}

func (a *API) serve(c *gin.Context) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, a.maxBody)
	a.handler.ServeHTTP(c.Writer, c.Request)
}
