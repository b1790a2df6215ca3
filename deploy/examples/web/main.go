// Command web is the service of the worked example: small, chatty, and easy to
// break on purpose.
//
//	GET  /          who answers, and which version
//	GET  /healthz   200, or 500 after POST /break
//	GET  /ready     200, or 503 during the first START_SECONDS
//	GET  /count     how often / was asked, kept in a file below DATA
//	POST /break     makes /healthz fail
//
// It listens on 8080, and on 9090 for /metrics.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// drain is how long requests may take that are under way when the pod ends.
const drain = 5 * time.Second

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	if err := run(log); err != nil {
		log.Error("web ended", "error", err)
		os.Exit(1)
	}
}

func run(log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	w := newWeb(log)
	failed := make(chan error, 2)
	servers := []*http.Server{
		{Addr: ":8080", Handler: w.public(), ReadHeaderTimeout: drain},
		{Addr: ":9090", Handler: w.private(), ReadHeaderTimeout: drain},
	}
	for _, s := range servers {
		go func() { failed <- s.ListenAndServe() }()
	}
	log.Info("web listens", "version", w.version)
	select {
	case <-ctx.Done():
	case err := <-failed:
		return err
	}
	log.Info("web ends")
	bound, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	return errors.Join(servers[0].Shutdown(bound), servers[1].Shutdown(bound))
}

// web is the state of the service.
type web struct {
	log           *slog.Logger
	version, host string
	readyAt       time.Time
	broken        atomic.Bool
	mu            sync.Mutex
	count         int    // guarded by mu
	file          string // where count is kept
}

func newWeb(log *slog.Logger) *web {
	host, _ := os.Hostname() // empty is shown as it is
	seconds, _ := strconv.Atoi(os.Getenv("START_SECONDS"))
	w := &web{log: log, version: os.Getenv("VERSION"), host: host, readyAt: time.Now().Add(time.Duration(seconds) * time.Second)}
	if dir := os.Getenv("DATA"); dir != "" {
		w.file = filepath.Join(dir, "count")
		text, _ := os.ReadFile(w.file) // there is none at first
		w.count, _ = strconv.Atoi(string(text))
	}
	return w
}

func (w *web) public() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", w.hello)
	mux.HandleFunc("GET /count", func(out http.ResponseWriter, _ *http.Request) { fmt.Fprintln(out, w.counted()) })
	mux.HandleFunc("GET /healthz", func(out http.ResponseWriter, _ *http.Request) {
		answer(out, !w.broken.Load(), http.StatusInternalServerError)
	})
	mux.HandleFunc("GET /ready", func(out http.ResponseWriter, _ *http.Request) {
		answer(out, time.Now().After(w.readyAt), http.StatusServiceUnavailable)
	})
	mux.HandleFunc("POST /break", func(out http.ResponseWriter, _ *http.Request) {
		w.broken.Store(true)
		w.log.Error("web is broken on purpose")
		fmt.Fprintln(out, "broken")
	})
	return mux
}

func (w *web) hello(out http.ResponseWriter, r *http.Request) {
	n := w.increment()
	fmt.Fprintf(out, "version %s from %s\n", w.version, w.host)
	w.log.Info("request", "path", r.URL.Path, "from", r.RemoteAddr, "count", n)
}

func (w *web) increment() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	if w.file != "" {
		if err := os.WriteFile(w.file, []byte(strconv.Itoa(w.count)), 0o600); err != nil {
			w.log.Warn("count is not kept", "error", err)
		}
	}
	return w.count
}

func (w *web) counted() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

func answer(out http.ResponseWriter, ok bool, failure int) {
	if !ok {
		out.WriteHeader(failure)
		fmt.Fprintln(out, "no")
		return
	}
	fmt.Fprintln(out, "ok")
}

func (w *web) private() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(out http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(out, "# HELP web_requests_total Requests answered.\n# TYPE web_requests_total counter\nweb_requests_total{version=%q} %d\n", w.version, w.counted())
	})
	return mux
}
