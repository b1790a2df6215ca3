// Package logging makes Lubberline's own loggers: text on standard error, and
// the same records into the log pipeline through fluent-logger-golang, tagged
// lubberline.<component>, so that our own logs are found beside everybody's.
package logging

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

// ComponentKey is the attribute that names the part of the program which logs.
const ComponentKey = "component"

// ParseLevel reads debug, info, warn or error.
func ParseLevel(text string) (slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return 0, fmt.Errorf("log level %q: want debug, info, warn or error", text)
	}
	return level, nil
}

// New returns a logger that writes text to w and, where pipeline is not nil,
// hands every record to it as well.
func New(w io.Writer, level slog.Level, pipeline *Pipeline) *slog.Logger {
	text := slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})
	if pipeline == nil {
		return slog.New(text)
	}
	return slog.New(tee{text, &pipelineHandler{pipeline: pipeline, level: level}})
}

// Component returns a logger tagged with a part's name.
func Component(log *slog.Logger, name string) *slog.Logger {
	return log.With(slog.String(ComponentKey, name))
}

// tee gives each record to both handlers.
type tee struct{ a, b slog.Handler }

func (t tee) Enabled(ctx context.Context, l slog.Level) bool {
	return t.a.Enabled(ctx, l) || t.b.Enabled(ctx, l)
}

func (t tee) Handle(ctx context.Context, r slog.Record) error {
	errA := t.a.Handle(ctx, r.Clone())
	if err := t.b.Handle(ctx, r); err != nil {
		return err
	}
	return errA
}

func (t tee) WithAttrs(attrs []slog.Attr) slog.Handler {
	return tee{t.a.WithAttrs(attrs), t.b.WithAttrs(attrs)}
}

func (t tee) WithGroup(name string) slog.Handler {
	return tee{t.a.WithGroup(name), t.b.WithGroup(name)}
}
