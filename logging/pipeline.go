package logging

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
)

// Bounds of the pipeline client: our own logging must never hold up the work
// it tells of, so a full buffer drops, counted.
const (
	pipelineBuffer  = 1024
	pipelineTimeout = 3 * time.Second
)

// Pipeline posts log records to a forward input. It connects on the first
// record, after Start; what comes before waits in a bounded buffer.
type Pipeline struct {
	host    string
	records chan entry
	dropped atomic.Uint64

	stop chan struct{}
	done sync.WaitGroup
}

type entry struct {
	tag    string
	time   time.Time
	fields map[string]string
}

// NewPipeline makes a pipeline that does not send yet; host is the node's name.
func NewPipeline(host string) *Pipeline {
	return &Pipeline{host: host, records: make(chan entry, pipelineBuffer), stop: make(chan struct{})}
}

// Start begins to post to a forward input at "host:port" or "unix:///path".
func (p *Pipeline) Start(address string) error {
	cfg, err := clientConfig(address)
	if err != nil {
		return err
	}
	client, err := fluent.New(cfg)
	if err != nil {
		return fmt.Errorf("own logs to %s: %w", address, err)
	}
	p.done.Add(1)
	go p.run(client)
	return nil
}

func clientConfig(address string) (fluent.Config, error) {
	cfg := fluent.Config{
		SubSecondPrecision: true, RequestAck: true, MaxRetry: 3, AsyncConnect: true,
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

// run posts until Close, then what the buffer still holds.
func (p *Pipeline) run(client *fluent.Fluent) {
	defer p.done.Done()
	defer client.Close()
	for {
		select {
		case e := <-p.records:
			p.post(client, e)
		case <-p.stop:
			p.drain(client)
			return
		}
	}
}

func (p *Pipeline) drain(client *fluent.Fluent) {
	for {
		select {
		case e := <-p.records:
			p.post(client, e)
		default:
			return
		}
	}
}

func (p *Pipeline) post(client *fluent.Fluent, e entry) {
	if err := client.PostWithTime(e.tag, e.time, e.fields); err != nil {
		p.dropped.Add(1)
	}
}

// Dropped is how many records could not be handed over.
func (p *Pipeline) Dropped() uint64 { return p.dropped.Load() }

// Close posts what is buffered and ends; it waits at most as long as ctx lives.
func (p *Pipeline) Close(ctx context.Context) error {
	close(p.stop)
	done := make(chan struct{})
	go func() { p.done.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("own logs: the forward input did not take the last records in time")
	}
}

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
