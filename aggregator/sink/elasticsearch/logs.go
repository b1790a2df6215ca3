// Package elasticsearch writes log records and Heapster's metric documents into
// Elasticsearch 7.17, 8 or what speaks their bulk API. Documents wait in a queue
// on disk while the server is away; tries never end by themselves. Ids follow
// from the content's identity and documents are only ever created, so a resend
// meets its earlier self and doubles nothing. What the server can never take
// goes to a dead-letter file.
package elasticsearch

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"

	"github.com/lubberline/lubberline/aggregator/sink/queue"
	"github.com/lubberline/lubberline/logrecord"
)

const logsName = "elasticsearch-logs"

// LogsOptions describe a sink for log records.
type LogsOptions struct {
	Options
	// DataStream is the data stream's name, "logs-lubberline-default" when
	// empty. An id is unique within one backing index only: a record resent
	// after a rollover that came between would be stored twice.
	DataStream string
	// DailyPrefix, when set, is used instead of a data stream: records go to
	// the index DailyPrefix-YYYY.MM.DD of their own day (UTC). Then ids are
	// unique for good, and servers without data streams will do.
	DailyPrefix string
}

func (o *LogsOptions) complete() error {
	if err := o.Options.complete(); err != nil {
		return err
	}
	if o.DataStream == "" {
		o.DataStream = "logs-lubberline-default"
	}
	if o.DailyPrefix != "" {
		return checkIndexName(o.DailyPrefix)
	}
	return checkIndexName(o.DataStream)
}

// Logs is a sink for log records.
type Logs struct {
	options LogsOptions
	sink    *sink
}

// NewLogs opens the sink's queue; it does not talk to the server yet. Run sends.
func NewLogs(o LogsOptions) (*Logs, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s, err := newSink(logsName, &o.Options, o.template())
	if err != nil {
		return nil, err
	}
	return &Logs{options: o, sink: s}, nil
}

// Append puts the records of the batches into the queue and returns when they
// are on disk: then the sender may be acknowledged. A batch appended again
// changes nothing in the end. A batch without a chunk id gets one.
func (l *Logs) Append(_ context.Context, batches []logrecord.Batch) error {
	var b builder
	e := logEncoder{options: &l.options}
	for i := range batches {
		chunk := batches[i].ChunkID
		if chunk == "" {
			chunk = rand.Text()
		}
		e.batch(&b, chunk, batches[i].Records)
	}
	b.flush()
	return l.sink.queue.Append(b.entries...)
}

// Run sends what is in the queue until ctx is done.
func (l *Logs) Run(ctx context.Context) error { return l.sink.queue.Run(ctx) }

// Pending is how many entries of the queue the server does not have yet.
func (l *Logs) Pending() uint64 { return l.sink.queue.Pending() }

// Close closes the queue, after Run has returned. What is pending is kept.
func (l *Logs) Close() error { return l.sink.close() }

// sink is what both sinks have.
type sink struct {
	options *Options
	queue   *queue.Queue
	letters *queue.DeadLetters
	metrics *queue.Metrics
}

// groupBytes is up to how many bytes of waiting entries, which are compressed
// about eightfold, go into one job.
const groupBytes = 1 << 20

func newSink(name string, o *Options, t *template) (*sink, error) {
	letters, err := queue.OpenDeadLetters(filepath.Join(o.Dir, "dead-letters.ndjson"), 0)
	if err != nil {
		return nil, fmt.Errorf("elasticsearch: %w", err)
	}
	metrics, err := queue.NewMetrics(name, o.Registerer)
	if err != nil {
		letters.Close()
		return nil, err
	}
	s := &sink{options: o, letters: letters, metrics: metrics}
	w := &writer{client: &client{options: o}, template: t, letters: letters, metrics: s.metrics, maxBytes: o.MaxRequestBytes}
	s.queue, err = queue.Open(queue.Options{
		Sink: name, Dir: filepath.Join(o.Dir, "spool"), MaxBytes: o.MaxBytes, Prepare: w.prepare,
		GroupBytes: groupBytes, InFlight: o.InFlight, MinDelay: o.MinDelay, MaxDelay: o.MaxDelay,
		Metrics: s.metrics, Logger: o.Logger, Registerer: o.Registerer,
	})
	if err != nil {
		letters.Close()
		return nil, err
	}
	return s, nil
}

func (s *sink) close() error {
	s.options.HTTPClient.CloseIdleConnections()
	if err := s.letters.Close(); err != nil {
		s.options.Logger.Warn("cannot close dead letters", "error", err)
	}
	return s.queue.Close()
}
