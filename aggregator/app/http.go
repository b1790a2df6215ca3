package app

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lubberline/lubberline/aggregator/api/elastic"
	"github.com/lubberline/lubberline/aggregator/api/heapster"
	apilogs "github.com/lubberline/lubberline/aggregator/api/logs"
	"github.com/lubberline/lubberline/aggregator/api/openapi"
	apiprometheus "github.com/lubberline/lubberline/aggregator/api/prometheus"
	"github.com/lubberline/lubberline/aggregator/api/resourcemetrics"
	"github.com/lubberline/lubberline/aggregator/receive/remotewrite"
	"github.com/lubberline/lubberline/listen"
	"github.com/lubberline/lubberline/version"
)

// maxBody bounds request bodies; remote write has a limit of its own below it.
const maxBody = 64 << 20

// buildHTTP binds the listeners and routes everything that is answered.
func (a *App) buildHTTP(localSocket string) error {
	if err := a.route(); err != nil {
		return err
	}
	var err error
	a.http, err = a.serve("http", listen.Options{Address: a.cfg.HTTP, Security: a.cfg.HTTPSecurity}, a.router)
	if err != nil || localSocket == "" {
		return err
	}
	a.local, err = a.serve("local http", listen.Options{Address: "unix://" + localSocket}, a.router)
	return err
}

func (a *App) serve(name string, o listen.Options, handler http.Handler) (*listen.Server, error) {
	o.Logger = a.logger("http")
	server, err := listen.New(o)
	if err != nil {
		return nil, fmt.Errorf("aggregator %s: %w", name, err)
	}
	a.group.Cleanup("aggregator "+name, server.Shutdown) // in case Run never comes
	a.group.Serve("aggregator "+name, func() error { return server.Serve(handler) }, server.Shutdown)
	return server, nil
}

// route makes the router.
func (a *App) route() error {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.RedirectTrailingSlash = true
	if err := r.SetTrustedProxies(nil); err != nil {
		return err
	}
	r.Use(a.recovered, limitBody)
	for _, register := range []func(gin.IRouter) error{a.routeHeapster, a.routeReceive, a.routePrometheus, a.routeHealth, a.routeAlerts} {
		if err := register(r); err != nil {
			return err
		}
	}
	apilogs.Register(r, a.logStore)
	elastic.Register(r.Group("/elastic"), a.logStore)
	if err := openapi.Register(r, version.Version); err != nil {
		return err
	}
	if listen.IsLoopback(a.cfg.HTTP) {
		routeProfiles(r)
	}
	a.router = r
	return nil
}

func (a *App) routeHeapster(r gin.IRouter) error {
	api, err := heapster.New(heapster.Options{Model: a.rollup, Historical: a.historical, Logger: a.logger("api")})
	if err != nil {
		return err
	}
	api.Register(r)
	resources, err := resourcemetrics.New(resourcemetrics.Options{Model: a.rollup})
	if err != nil {
		return err
	}
	resources.Register(r)
	return nil
}

func (a *App) routeReceive(r gin.IRouter) error {
	write, err := remotewrite.New(remotewrite.Options{
		Store: a.metricStore, Observer: a.rollup, Logger: a.logger("remotewrite"), Registerer: a.metrics,
	})
	if err != nil {
		return err
	}
	r.POST("/api/v1/write", gin.WrapH(write))
	return nil
}

func (a *App) routePrometheus(r gin.IRouter) error {
	options := apiprometheus.Options{
		Engine: a.engine, Store: a.metricStore, Version: version.Version, Logger: a.logger("api"), Registerer: a.metrics,
	}
	if a.alerts != nil {
		options.Rules, options.Alertmanagers = a.alerts, a.alerts
	}
	api, err := apiprometheus.New(options)
	if err != nil {
		return err
	}
	api.Register(r)
	return nil
}

// routeHealth has Heapster's health check, which fails without fresh figures,
// and Prometheus' two: whoever is answered finds the stores open.
func (a *App) routeHealth(r gin.IRouter) error {
	r.GET("/metrics", gin.WrapH(promhttp.HandlerFor(a.shownMetrics(), promhttp.HandlerOpts{})))
	for _, path := range []string{"/-/healthy", "/-/ready"} {
		r.GET(path, func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	}
	for _, path := range []string{"/healthz", "/healthz/healthz"} {
		r.GET(path, a.answerHealth)
	}
	return nil
}

// shownMetrics are those of this process.
func (a *App) shownMetrics() prometheus.Gatherer {
	if a.others == nil {
		return a.metrics
	}
	return prometheus.Gatherers{a.metrics, a.others}
}

func (a *App) answerHealth(c *gin.Context) {
	if err := a.rollup.Healthy(); err != nil {
		c.String(http.StatusInternalServerError, "%s\n", err)
		return
	}
	c.String(http.StatusOK, "ok")
}

func routeProfiles(r gin.IRouter) {
	g := r.Group("/debug/pprof")
	g.GET("/cmdline", gin.WrapF(pprof.Cmdline))
	g.GET("/profile", gin.WrapF(pprof.Profile))
	g.GET("/symbol", gin.WrapF(pprof.Symbol))
	g.GET("/trace", gin.WrapF(pprof.Trace))
	g.GET("/", gin.WrapF(pprof.Index))
	for _, name := range []string{"allocs", "block", "goroutine", "heap", "mutex", "threadcreate"} {
		g.GET("/"+name, gin.WrapH(pprof.Handler(name)))
	}
}

// recovered turns a panic of a handler into an answer and a log record; one bad
// request must not take the process down.
func (a *App) recovered(c *gin.Context) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p) // the server's own way to cut a connection
		}
		a.logger("http").Error("a handler panicked", "path", c.Request.URL.Path, "panic", p)
		c.AbortWithStatusJSON(http.StatusInternalServerError, gin.H{"error": "internal error"})
	}()
	c.Next()
}

func limitBody(c *gin.Context) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxBody)
	c.Next()
}
