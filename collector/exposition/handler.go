// Package exposition serves the newest sample over HTTP: Prometheus text under
// cAdvisor's and node_exporter's names, and the kubelet's summary and resource
// metrics. It takes no sample of its own.
package exposition

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/collector/series"
)

// Containers gives access to the newest samples. View calls f once, with the
// time of the tick (zero before the first), and keeps the samples unchanged
// until f returns. f keeps neither slice nor samples.
type Containers interface {
	View(f func(tick time.Time, containers []*reading.Container))
}

// Machine gives access to the newest reading of the machine, in the same way.
// Points of one metric stand together.
type Machine interface {
	View(f func(at time.Time, points []series.Point))
}

// Options say what is served.
type Options struct {
	Containers Containers
	// Machine may be nil: then there are only containers.
	Machine Machine
	// Own gives the program's own metrics, at the end of /metrics. May be nil.
	Own prometheus.Gatherer
	// Node is the name of this node in /stats/summary.
	Node string
	// Logger takes a line when an answer cannot be made. May be nil.
	Logger *slog.Logger
	// Registerer takes the own metrics of this package. May be nil.
	Registerer prometheus.Registerer
}

// Exposition serves the samples. It is safe for many requests at once.
type Exposition struct {
	containers Containers
	machine    Machine
	own        prometheus.Gatherer
	node       string
	logger     *slog.Logger
	metrics    *metrics

	text  *textCache
	rates *rates
}

// New prepares the handlers; Containers is needed.
func New(o Options) (*Exposition, error) {
	if o.Containers == nil {
		return nil, errors.New("exposition: no source of containers")
	}
	if o.Machine == nil {
		o.Machine = noMachine{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Exposition{
		containers: o.Containers, machine: o.Machine, own: o.Own, node: o.Node, logger: o.Logger,
		metrics: newMetrics(o.Registerer), text: newTextCache(), rates: newRates(),
	}, nil
}

type noMachine struct{}

func (noMachine) View(f func(time.Time, []series.Point)) { f(time.Time{}, nil) }

// Register adds the paths to a mux:
//
//	GET /metrics            containers, machine and the program itself
//	GET /metrics/cadvisor   containers only
//	GET /metrics/resource   the kubelet's resource metrics
//	GET /stats/summary      the kubelet's summary, JSON
//	GET /healthz /-/healthy 200 while the program runs
//	GET /-/ready            200 from the first sample on, 503 before
func (e *Exposition) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /metrics", e.timed("metrics", e.serveMetrics))
	mux.HandleFunc("GET /metrics/cadvisor", e.timed("cadvisor", e.serveContainers))
	mux.HandleFunc("GET /metrics/resource", e.timed("resource", e.serveResource))
	mux.HandleFunc("GET /stats/summary", e.timed("summary", e.serveSummary))
	mux.HandleFunc("GET /healthz", serveOK)
	mux.HandleFunc("GET /-/healthy", serveOK)
	mux.HandleFunc("GET /-/ready", e.serveReady)
}

// RegisterProfiling adds /debug/pprof/ to a mux. It shows the inside of the
// program, so that the mux belongs on loopback.
func RegisterProfiling(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}

func (e *Exposition) timed(path string, serve http.HandlerFunc) http.HandlerFunc {
	observe := e.metrics.request(path)
	return func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		serve(w, r)
		observe(time.Since(begin))
	}
}

func serveOK(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // the client may have gone
}

func (e *Exposition) serveReady(w http.ResponseWriter, r *http.Request) {
	ready := false
	e.containers.View(func(tick time.Time, _ []*reading.Container) { ready = !tick.IsZero() })
	if !ready {
		http.Error(w, "no sample yet", http.StatusServiceUnavailable)
		return
	}
	serveOK(w, r)
}

// Observe takes note of a tick, for the rates in /stats/summary. It is called
// by the sampler's goroutine after each tick, with the containers of View.
func (e *Exposition) Observe(_ time.Time, containers []*reading.Container) {
	e.rates.observe(containers)
}
