package logging

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
)

// Bounds of the pipeline client: our own logging must never hold up the work
// it tells of, so a full buffer drops, counted.
const (
	pipelineBuffer  = 1024
	pipelineTimeout = 3 * time.Second
	drainTime       = time.Second
)

// Pipeline posts log records to a forward input. What comes
// before Run waits in a bounded buffer.
type Pipeline struct {
	host    string
	records chan entry
	dropped atomic.Uint64
	client  *fluent.Fluent // set by Start
}

type entry struct {
	tag    string
	time   time.Time
	fields map[string]string
}

// NewPipeline makes a pipeline that does not send yet; host is the node's name.
func NewPipeline(host string) *Pipeline {
	return &Pipeline{host: host, records: make(chan entry, pipelineBuffer)}
}

// Start sets the forward input to post to, at "host:port" or "unix:///path".
// Run posts.
func (p *Pipeline) Start(address string) error {
	cfg, err := clientConfig(address)
	if err != nil {
		return err
	}
	p.client, err = fluent.New(cfg)
	if err != nil {
		return fmt.Errorf("own logs to %s: %w", address, err)
	}
	return nil
}

func clientConfig(address string) (fluent.Config, error) {
	cfg := fluent.Config{
		SubSecondPrecision: true, RequestAck: true, MaxRetry: 3,
		Timeout: pipelineTimeout, WriteTimeout: pipelineTimeout, ReadTimeout: pipelineTimeout,
	}
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		cfg.FluentNetwork, cfg.FluentSocketPath = "unix", path
		return cfg, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return cfg, fmt.Errorf("own logs to %q: %w", address, err)
	}
	cfg.FluentNetwork, cfg.FluentHost = "tcp", host
	cfg.FluentPort, err = strconv.Atoi(port)
	return cfg, err
}

// Run posts records until ctx ends, and then, for a moment, what is buffered:
// the input is about to end as well. It returns nil.
func (p *Pipeline) Run(ctx context.Context) error {
	defer p.client.Close()
	for {
		select {
		case e := <-p.records:
			p.post(e)
		case <-ctx.Done():
			p.drain()
			return nil
		}
	}
}

func (p *Pipeline) drain() {
	for end := time.Now().Add(drainTime); time.Now().Before(end); {
		select {
		case e := <-p.records:
			p.post(e)
		default:
			return
		}
	}
}

func (p *Pipeline) post(e entry) {
	if err := p.client.PostWithTime(e.tag, e.time, e.fields); err != nil {
		p.dropped.Add(1)
	}
}

// Dropped is how many records could not be handed over.
func (p *Pipeline) Dropped() uint64 { return p.dropped.Load() }

func (p *Pipeline) offer(e entry) {
	select {
	case p.records <- e:
	default:
		p.dropped.Add(1)
	}
}

// pipelineHandler turns slog records into forward records.
type pipelineHandler struct {
	pipeline  *Pipeline
	level     slog.Level
	component string
	prefix    string // of keys, from WithGroup; ends in a dot
	attrs     []slog.Attr
}

func (h *pipelineHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h *pipelineHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Level < h.level {
		return nil
	}
	fields := map[string]string{"level": strings.ToLower(r.Level.String()), "host": h.pipeline.host}
	var text strings.Builder
	text.WriteString(r.Message)
	add := func(a slog.Attr) bool {
		value := a.Value.Resolve().String()
		fields[a.Key] = value
		fmt.Fprintf(&text, " %s=%s", a.Key, quoteIfNeeded(value))
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(func(a slog.Attr) bool { a.Key = h.prefix + a.Key; return add(a) })
	fields["log"] = text.String()
	h.pipeline.offer(entry{tag: "lubberline." + cmp.Or(h.component, "main"), time: r.Time, fields: fields})
	return nil
}

func quoteIfNeeded(s string) string {
	if s == "" || strings.ContainsAny(s, " \"=\n") {
		return strconv.Quote(s)
	}
	return s
}

func (h *pipelineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = append([]slog.Attr(nil), h.attrs...)
	for _, a := range attrs {
		if a.Key == ComponentKey && h.prefix == "" {
			next.component = a.Value.String()
			continue
		}
		a.Key = h.prefix + a.Key
		next.attrs = append(next.attrs, a)
	}
	return &next
}

func (h *pipelineHandler) WithGroup(name string) slog.Handler {
	next := *h
	next.prefix += name + "."
	return &next
}
