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
	// A record that is not taken is offered again for a minute.
	postAgain    = time.Second
	postAttempts = 60
)

// Pipeline posts log records to a forward input. What comes
// before Run waits in a bounded buffer.
type Pipeline struct {
	host    string
	records chan entry
	dropped atomic.Uint64
	pause   time.Duration
	client  *fluent.Fluent // set by Start
}

type entry struct {
	tag    string
	time   time.Time
	fields map[string]string
}

// NewPipeline makes a pipeline that does not send yet; host is the node's name.
func NewPipeline(host string) *Pipeline {
	return &Pipeline{host: host, records: make(chan entry, pipelineBuffer), pause: postAgain}
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
		SubSecondPrecision: true, RequestAck: true, MaxRetry: 1,
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
			p.insist(ctx, e)
		case <-ctx.Done():
			p.drain()
			return nil
		}
	}
}

// insist posts a record until it is taken; the others wait behind it. The input
// takes nothing while the disk is full, and tells of it by records of its own:
// without a pause here, that would go round as fast as it can.
func (p *Pipeline) insist(ctx context.Context, e entry) {
	again := time.NewTimer(0)
	defer again.Stop()
	for attempt := range postAttempts {
		if p.client.PostWithTime(e.tag, e.time, e.fields) == nil {
			return
		}
		if attempt == postAttempts-1 {
			break
		}
		again.Reset(p.pause)
		select {
		case <-again.C:
		case <-ctx.Done():
			p.drop()
			return
		}
	}
	p.drop()
}

func (p *Pipeline) drop() { p.dropped.Add(1) }

func (p *Pipeline) drain() {
	for end := time.Now().Add(drainTime); time.Now().Before(end); {
		select {
		case e := <-p.records:
			if p.client.PostWithTime(e.tag, e.time, e.fields) != nil {
				p.drop()
			}
		default:
			return
		}
	}
}

// Dropped is how many records could not be handed over.
func (p *Pipeline) Dropped() uint64 { return p.dropped.Load() }

func (p *Pipeline) offer(e entry) {
	select {
	case p.records <- e:
	default:
		p.drop()
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
