package store

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// bridge passes etcd's warnings and errors on. Its informational records are
// debug records of ours: it tells a lot.
func bridge(log *slog.Logger) *zap.Logger { return zap.New(core{log: log}) }

// bridgeTo also tells a listener.
func bridgeTo(log *slog.Logger, l listener) *zap.Logger {
	return zap.New(zapcore.NewTee(core{log: log}, l))
}

// listener is told every message that is not for debugging alone, before the one
// who has said it goes on.
type listener func(message string)

func (l listener) Enabled(level zapcore.Level) bool  { return level > zapcore.DebugLevel }
func (l listener) With([]zapcore.Field) zapcore.Core { return l }
func (l listener) Sync() error                       { return nil }

func (l listener) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if l.Enabled(e.Level) {
		return checked.AddCore(e, l)
	}
	return checked
}

func (l listener) Write(e zapcore.Entry, _ []zapcore.Field) error {
	l(e.Message)
	return nil
}

type core struct {
	log *slog.Logger
}

func level(l zapcore.Level) slog.Level {
	switch {
	case l >= zapcore.ErrorLevel:
		return slog.LevelError
	case l == zapcore.WarnLevel:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// Enabled leaves out etcd's debug records: it writes one for every key.
func (c core) Enabled(l zapcore.Level) bool {
	return l > zapcore.DebugLevel && c.log.Enabled(context.Background(), level(l))
}

func (c core) With(fields []zapcore.Field) zapcore.Core {
	return core{log: c.log.With(attributes(fields)...)}
}

func (c core) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

// early is what etcd says when it looks at a new store before its first write.
// It looks again every few seconds.
func early(message string) bool {
	return message == "Failed to detect schema version" || message == "failed to update storage version"
}

func (c core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	l := level(e.Level)
	if early(e.Message) {
		l = slog.LevelDebug
	}
	c.log.Log(context.Background(), l, e.Message, attributes(fields)...)
	return nil
}

func (c core) Sync() error { return nil }

func attributes(fields []zapcore.Field) []any {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(enc)
	}
	out := make([]any, 0, 2*len(enc.Fields))
	for k, v := range enc.Fields {
		out = append(out, k, v)
	}
	return out
}
