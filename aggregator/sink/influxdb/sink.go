// Package influxdb writes the figures of the model into InfluxDB 1.8 or 2.x in
// Heapster's schema, and answers Heapster's historical queries from it. Figures
// wait in a queue on disk while the database is away; tries never end by
// themselves. Writing a point again changes nothing in InfluxDB, so a resend
// doubles nothing.
package influxdb

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"github.com/influxdata/influxdb-client-go/v2/api"

	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/aggregator/sink/queue"
)

// sinkName is the sink's name in metrics and logs.
const sinkName = "influxdb"

// Sink writes batches into one InfluxDB.
type Sink struct {
	options Options
	client  influxdb2.Client
	write   api.WriteAPIBlocking
	queue   *queue.Queue
	letters *queue.DeadLetters
	metrics *queue.Metrics
}

// New opens the sink's queue; it does not talk to the server yet. Run sends.
func New(o Options) (*Sink, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	letters, err := queue.OpenDeadLetters(filepath.Join(o.Dir, "dead-letters.ndjson"), 0)
	if err != nil {
		return nil, fmt.Errorf("influxdb: %w", err)
	}
	metrics, err := queue.NewMetrics(sinkName, o.Registerer)
	if err != nil {
		letters.Close()
		return nil, err
	}
	client := newClient(&o)
	s := &Sink{
		options: o,
		client:  client,
		write:   client.WriteAPIBlocking(o.Org, o.bucket()),
		letters: letters,
		metrics: metrics,
	}
	s.queue, err = queue.Open(queue.Options{
		Sink: sinkName, Dir: filepath.Join(o.Dir, "spool"), MaxBytes: o.MaxBytes, Prepare: s.prepare,
		GroupBytes: groupBytes, MinDelay: o.MinDelay, MaxDelay: o.MaxDelay, Metrics: s.metrics, Logger: o.Logger, Registerer: o.Registerer,
	})
	if err != nil {
		letters.Close()
		return nil, err
	}
	return s, nil
}

// newClient makes a client that never retries or batches by itself.
func newClient(o *Options) influxdb2.Client {
	options := influxdb2.DefaultOptions().
		SetHTTPClient(o.HTTPClient).
		SetUseGZip(true).
		SetMaxRetries(0).
		SetApplicationName("lubberline")
	return influxdb2.NewClientWithOptions(o.URL, o.token(), options)
}

// Name is the sink's name in metrics and log records.
func (s *Sink) Name() string { return "influxdb" }

// Export puts the batch into the queue and returns when it is on disk.
func (s *Sink) Export(_ context.Context, b *rollup.Batch) error {
	return s.queue.Append(encode(&s.options, b)...)
}

// Run sends what is in the queue until ctx is done.
func (s *Sink) Run(ctx context.Context) error { return s.queue.Run(ctx) }

// Pending is how many requests' worth of points the server does not have yet.
func (s *Sink) Pending() uint64 { return s.queue.Pending() }

// Close closes the queue, after Run has returned. What is pending is kept.
func (s *Sink) Close() error {
	s.client.Close()
	s.options.HTTPClient.CloseIdleConnections()
	if err := s.letters.Close(); err != nil {
		s.options.Logger.Warn("cannot close dead letters", "sink", sinkName, "error", err)
	}
	return s.queue.Close()
}

// groupBytes is up to how much waiting text becomes one job: after an outage
// small batches are written together, which costs the server far less.
const groupBytes = 4 << 20

func (s *Sink) prepare(entries [][]byte) queue.Job {
	return &job{sink: s, pieces: together(entries, s.options.MaxPoints)}
}

// together joins neighbours as long as a text stays within maxPoints lines.
func together(texts [][]byte, maxPoints int) [][]byte {
	var joined [][]byte
	points := 0
	for _, text := range texts {
		n := lines(text)
		if len(joined) > 0 && points+n <= maxPoints {
			last := &joined[len(joined)-1]
			*last = append(*last, text...)
			points += n
			continue
		}
		joined, points = append(joined, text), n
	}
	return joined
}

// lines counts the points of a text.
func lines(text []byte) int { return bytes.Count(text, []byte{'\n'}) }
