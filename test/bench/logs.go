package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/lubberline/lubberline/forward"
)

const (
	stored  = "lubberline_logstore_records_total"
	appends = "lubberline_logstore_append_seconds"
)

// logRun is one passage of all files.
type logRun struct {
	collector, aggregator use
	wall                  time.Duration
	appends, appending    float64 // commits of the log store, and their time in seconds
}

// logs sends files through collector and aggregator, and through the collector
// into a receiver that only counts, as log shippers are usually measured.
func logs(ctx context.Context, s *settings) error {
	dir, clean, err := s.sub("lines")
	if err != nil {
		return err
	}
	defer clean()
	l, err := writeLines(dir, s.files, s.mib)
	if err != nil {
		return err
	}
	s.report.title = fmt.Sprintf("Logs: %d MiB of CRI lines, %d files, %d lines of %d bytes, median of %d runs", s.mib, s.files, l.lines, l.bytes/int64(l.lines), s.repeat)
	var counting, whole []logRun
	var floors []use
	for range s.repeat {
		r, err := l.throughCollector(ctx, s, true)
		if err != nil {
			return err
		}
		counting = append(counting, r)
		if r, err = l.throughCollector(ctx, s, false); err != nil {
			return err
		}
		whole = append(whole, r)
		f, err := logFloor(l, s.dir)
		if err != nil {
			return err
		}
		floors = append(floors, f)
	}
	l.reportLogs(s, counting, whole, floors)
	l.reportRsyslog(ctx, s, median(counting, func(r logRun) float64 { return r.collector.cpu.Seconds() / l.gib() }))
	return nil
}

func (l *logFiles) gib() float64 { return float64(l.bytes) / (1 << 30) }

func (l *logFiles) reportLogs(s *settings, counting, whole []logRun, floors []use) {
	r := s.report
	perGiB := func(u use) float64 { return u.cpu.Seconds() / l.gib() }
	speed := func(d time.Duration) float64 { return float64(l.bytes) / 1e6 / d.Seconds() }
	floor := "read, parse, encode, write, fsync"
	r.add(line{what: "tail, spool, forward to a receiver that counts: collector CPU", unit: "s/GiB", goal: 5, atMost: true,
		ours: median(counting, func(r logRun) float64 { return perGiB(r.collector) }), other: median(floors, perGiB), peer: floor})
	r.add(line{what: "  speed, until all is acknowledged", unit: "MB/s", goal: 100,
		ours: median(counting, func(r logRun) float64 { return speed(r.wall) }), other: median(floors, func(u use) float64 { return speed(u.wall) }), peer: floor})
	r.add(line{what: "  collector highest RSS", unit: "MiB", goal: 80, atMost: true, ours: median(counting, func(r logRun) float64 { return r.collector.peak })})
	r.add(line{what: "tail, spool, forward, commit: collector CPU", unit: "s/GiB", goal: 5, atMost: true,
		ours: median(whole, func(r logRun) float64 { return perGiB(r.collector) })})
	r.add(line{what: "  aggregator CPU", unit: "s/GiB", ours: median(whole, func(r logRun) float64 { return perGiB(r.aggregator) })})
	r.add(line{what: "  aggregator CPU per committed record", unit: "us", goal: 8, atMost: true,
		ours: median(whole, func(r logRun) float64 { return float64(r.aggregator.cpu.Microseconds()) / float64(l.lines) })})
	r.add(line{what: "  speed, until all is committed", unit: "MB/s", ours: median(whole, func(r logRun) float64 { return speed(r.wall) })})
	r.add(line{what: "  collector highest RSS", unit: "MiB", goal: 80, atMost: true, ours: median(whole, func(r logRun) float64 { return r.collector.peak })})
	r.add(line{what: "  aggregator highest RSS", unit: "MiB", ours: median(whole, func(r logRun) float64 { return r.aggregator.peak })})
	r.note("the log store was at it %.0f %% of the time, in %.0f transactions", median(whole, func(r logRun) float64 { return 100 * r.appending / r.wall.Seconds() }), median(whole, func(r logRun) float64 { return r.appends }))
	r.note("each run: records counted by the API = lines written = %d", l.lines)
}

// throughCollector has the files read from their beginning, and waits until
// every line has arrived, exactly once.
func (l *logFiles) throughCollector(ctx context.Context, s *settings, count bool) (r logRun, err error) {
	dir, clean, err := s.sub("logs")
	if err != nil {
		return r, err
	}
	defer clean()
	p, err := startAggregator(ctx, s, dir)
	if err != nil {
		return r, err
	}
	defer p.stop()
	to, arrived := p.receive, func() (int, error) {
		m, err := ownMetrics(ctx, p.http, stored)
		return int(m[stored]), err
	}
	if count {
		c, err := newCounter()
		if err != nil {
			return r, err
		}
		defer c.close()
		to, arrived = c.address(), func() (int, error) { return int(c.records.Load()), nil }
	}
	before, err := p.aggregator.cpu()
	if err != nil {
		return r, err
	}
	began := time.Now()
	if err := p.startCollector(s, to, "5s", fmt.Sprintf(`{glob: "%s/*.log", tag: bench, format: cri}`, l.dir)); err != nil {
		return r, err
	}
	if err := l.wait(ctx, p, arrived); err != nil {
		return r, err
	}
	r.wall = time.Since(began)
	if r.collector, err = p.collector.used(0, began); err != nil {
		return r, err
	}
	if r.aggregator, err = p.aggregator.used(before, began); err != nil || count {
		return r, err
	}
	m, err := ownMetrics(ctx, p.http, appends+"_sum", appends+"_count")
	if err != nil {
		return r, err
	}
	r.appends, r.appending = m[appends+"_count"], m[appends+"_sum"]
	return r, l.check(ctx, p)
}

// check asks the API for the number of records. The collector's own few may be
// among those that were counted before, so the last lines get a moment more.
func (l *logFiles) check(ctx context.Context, p *programs) error {
	for end := time.Now().Add(10 * time.Second); ; {
		n, err := committed(ctx, p.http, word, l.first.Add(-time.Hour), l.last.Add(time.Hour))
		if err != nil || n == l.lines {
			return err
		}
		if n > l.lines || time.Now().After(end) {
			return fmt.Errorf("%d records committed of %d lines", n, l.lines)
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// wait waits until as many records have arrived as lines were written.
func (l *logFiles) wait(ctx context.Context, p *programs, arrived func() (int, error)) error {
	last, since := 0, time.Now()
	for {
		n, err := arrived()
		if err != nil {
			return err
		}
		if n >= l.lines {
			return nil
		}
		if n > last {
			last, since = n, time.Now()
		}
		if time.Since(since) > time.Minute {
			return fmt.Errorf("%d records of %d arrived, and for a minute no more", n, l.lines)
		}
		if err := p.collector.alive(); err != nil {
			return err
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// counter is a receiver of the forward protocol that counts and acknowledges.
type counter struct {
	server   *forward.Server
	listener net.Listener
	records  atomic.Int64
}

func newCounter() (*counter, error) {
	c := &counter{}
	var err error
	if c.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	c.server, err = forward.NewServer(forward.Options{Name: "bench", Listeners: []net.Listener{c.listener}, Handler: c})
	if err != nil {
		return nil, err
	}
	go func() { _ = c.server.Serve() }() // it ends with Shutdown
	return c, nil
}

// Handle implements forward.Handler.
func (c *counter) Handle(_ context.Context, chunk *forward.Chunk, done func(error)) {
	c.records.Add(int64(forward.CountEntries(chunk.Entries)))
	done(nil)
}

func (c *counter) address() string { return c.listener.Addr().String() }

func (c *counter) close() { _ = c.server.Shutdown(context.Background()) }

// files are the paths, in order.
func (l *logFiles) files() ([]string, error) { return filepath.Glob(filepath.Join(l.dir, "*.log")) }

func remove(path string) { _ = os.Remove(path) }
