package up

import (
	"context"
	"log/slog"
	"strings"

	"k8s.io/klog/v2"

	"github.com/lubberline/lubberline/logging"
)

// logKubernetes has the Kubernetes libraries, which have one logger for the whole
// process, log with us.
func logKubernetes(log *slog.Logger) {
	quiet := logging.Quiet(logging.Component(log, "kubernetes"))
	klog.SetSlogLogger(slog.New(expected{quiet.Handler()}))
}

// clientsGone are what the Kubernetes libraries call errors and what only says
// that a client of exec, attach or port-forward has closed its connection.
var clientsGone = []string{"Error on socket receive", "Error proxying data from client to backend", "Error proxying data from backend to client"}

// expected makes debug records of such errors.
type expected struct{ slog.Handler }

// Handle implements slog.Handler.
func (e expected) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn && saysClientGone(r) {
		r.Level = slog.LevelDebug
		if !e.Enabled(ctx, r.Level) {
			return nil
		}
	}
	return e.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (e expected) WithAttrs(attrs []slog.Attr) slog.Handler {
	return expected{e.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (e expected) WithGroup(name string) slog.Handler { return expected{e.Handler.WithGroup(name)} }

// saysClientGone looks at the message, and at the attribute err of "Unhandled
// Error".
func saysClientGone(r slog.Record) bool {
	found := false
	has := func(text string) {
		for _, known := range clientsGone {
			found = found || strings.HasPrefix(text, known)
		}
	}
	has(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "err" {
			has(a.Value.String())
		}
		return !found
	})
	return found
}
