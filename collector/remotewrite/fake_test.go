package remotewrite

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/spool"
)

// memoryQueue is a Queue in memory that can be made to fail.
type memoryQueue struct {
	mu      sync.Mutex
	entries []spool.Entry
	next    int
	acked   uint64
	err     error
	more    chan struct{}
}

func newMemoryQueue() *memoryQueue { return &memoryQueue{more: make(chan struct{}, 1)} }

func (q *memoryQueue) Append(entries ...[]byte) (uint64, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return 0, q.err
	}
	first := uint64(len(q.entries) + 1)
	for i, e := range entries {
		q.entries = append(q.entries, spool.Entry{Seq: first + uint64(i), Data: bytes.Clone(e)})
	}
	select {
	case q.more <- struct{}{}:
	default:
	}
	return first, nil
}

func (q *memoryQueue) Next(ctx context.Context) (spool.Entry, error) {
	for {
		q.mu.Lock()
		if q.next < len(q.entries) {
			q.next++
			entry := q.entries[q.next-1]
			q.mu.Unlock()
			return entry, nil
		}
		q.mu.Unlock()
		select {
		case <-q.more:
		case <-ctx.Done():
			return spool.Entry{}, ctx.Err()
		}
	}
}

func (q *memoryQueue) Ack(seq uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.acked = seq
	return nil
}

func (q *memoryQueue) Stats() spool.Stats { return spool.Stats{Bytes: 42, OldestAge: time.Minute} }

func (q *memoryQueue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
}

func (q *memoryQueue) state() (entries int, acked uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.entries), q.acked
}

// receiver is a store that decodes with Prometheus's own code.
type receiver struct {
	t  *testing.T
	mu sync.Mutex // guards what follows
	// answer, when set, may answer instead; it says whether it did.
	answer func(w http.ResponseWriter, r *http.Request) bool
	seen   []string // protocol version of each request
	got    map[string][]sample
}

func newReceiver(t *testing.T) *receiver { return &receiver{t: t, got: make(map[string][]sample)} }

func (r *receiver) set(answer func(http.ResponseWriter, *http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := request.Header.Get("X-Prometheus-Remote-Write-Version")
	r.seen = append(r.seen, v)
	if r.answer != nil && r.answer(w, request) {
		return
	}
	if request.Header.Get("Content-Encoding") != "snappy" || request.Method != http.MethodPost {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	compressed, err := io.ReadAll(request.Body)
	if err != nil {
		return
	}
	raw, err := snappy.Decode(nil, compressed)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	samples := r.decode(v, raw)
	for key, s := range samples {
		r.got[key] = append(r.got[key], s)
	}
	if v == "2.0.0" {
		w.Header().Set(writtenHeader, fmt.Sprint(len(samples)))
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) decode(v string, raw []byte) map[string]sample {
	if v == "2.0.0" {
		return decodeV2(r.t, raw)
	}
	return decodeV1(r.t, raw)
}

func decodeV1(t testing.TB, raw []byte) map[string]sample {
	t.Helper()
	var request prompb.WriteRequest
	require.NoError(t, request.Unmarshal(raw))
	got := make(map[string]sample)
	for _, ts := range request.Timeseries {
		var labels []string
		for _, l := range ts.Labels {
			labels = append(labels, l.Name+"="+l.Value)
		}
		require.True(t, slices.IsSorted(labels), labels)
		require.Len(t, ts.Samples, 1)
		got[strings.Join(labels, ",")] = sample{ts.Samples[0].Value, ts.Samples[0].Timestamp}
	}
	return got
}

const up = "__name__=up," + boxLabels

// ups returns the times of the ticks that have arrived, in milliseconds.
func (r *receiver) ups() (times []int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.got[up] {
		times = append(times, s.millis)
	}
	return times
}

func (r *receiver) versions() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}
