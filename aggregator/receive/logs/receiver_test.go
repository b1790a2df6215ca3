package logs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
	"go.uber.org/goleak"

	"github.com/lubberline/lubberline/forward"
	"github.com/lubberline/lubberline/logrecord"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const now = 1_764_000_000_000_000_000

// entry packs one event.
func entry(t testing.TB, nanos int64, record map[string]any) []byte {
	t.Helper()
	b, err := msgp.AppendMapStrIntf(forward.AppendEventTime([]byte{0x92}, nanos), record)
	require.NoError(t, err)
	return b
}

func chunkOf(id string, common map[string]any, entries ...[]byte) *forward.Chunk {
	c := &forward.Chunk{Tag: "t", FrameOptions: forward.FrameOptions{Chunk: id}}
	for _, e := range entries {
		c.Entries = append(c.Entries, e...)
	}
	if common != nil {
		c.Common, _ = msgp.AppendMapStrIntf(nil, common)
	}
	return c
}

// decode returns all records of a chunk.
func (d *decoder) decode(c *forward.Chunk, now int64) ([]logrecord.Record, result) {
	w := d.begin(c, now)
	return w.next(math.MaxInt), w.result
}

func TestDecode(t *testing.T) {
	kubernetes := map[string]any{
		"namespace_name": "ns", "pod_name": "p", "pod_id": "uid", "container_name": "c", "container_image": "img", "host": "h",
		"labels": map[string]any{"app": "web"},
	}
	docker := map[string]any{"container_id": "id1"}
	full := &logrecord.Source{Namespace: "ns", Pod: "p", PodUID: "uid", Container: "c", ContainerID: "id1", Image: "img", Host: "h", Labels: map[string]string{"app": "web"}}
	for name, c := range map[string]struct {
		common, record map[string]any
		want           logrecord.Record
	}{
		"from our collector": {
			map[string]any{"kubernetes": kubernetes, "docker": docker},
			map[string]any{"log": "hello", "stream": "stderr"},
			logrecord.Record{Log: "hello", Stream: "stderr", Source: full},
		},
		"from fluentd": {
			nil, map[string]any{"log": "x", "stream": "stdout", "kubernetes": kubernetes, "docker": docker},
			logrecord.Record{Log: "x", Stream: "stdout", Source: full},
		},
		"record over common": {
			map[string]any{"kubernetes": map[string]any{"host": "h", "pod_name": "other"}, "stream": "stdout", "zone": 1},
			map[string]any{"log": "x", "kubernetes": map[string]any{"pod_name": "p"}, "level": "info"},
			logrecord.Record{Log: "x", Stream: "stdout", Source: &logrecord.Source{Host: "h", Pod: "p"}, Fields: `{"level":"info","zone":1}`},
		},
		"from docker's driver": {
			nil, map[string]any{"container_id": "id2", "container_name": "/web", "source": "stderr", "log": "x"},
			logrecord.Record{Log: "x", Stream: "stderr", Source: &logrecord.Source{ContainerID: "id2", Container: "web"}},
		},
		"an application": {
			nil, map[string]any{"message": "hi", "n": 5},
			logrecord.Record{Log: "hi", Fields: `{"n":5}`},
		},
		"no text": {
			nil, map[string]any{"cpu": 1.5},
			logrecord.Record{Fields: `{"cpu":1.5}`},
		},
		"log is no text": {
			nil, map[string]any{"log": map[string]any{"a": 1}},
			logrecord.Record{Fields: `{"log":{"a":1}}`},
		},
		"not docker's": {
			nil, map[string]any{"log": "x", "source": "sensor"},
			logrecord.Record{Log: "x", Fields: `{"source":"sensor"}`},
		},
		"both texts":  {nil, map[string]any{"log": "x", "message": "y"}, logrecord.Record{Log: "x", Fields: `{"message":"y"}`}},
		"not utf-8":   {nil, map[string]any{"log": "a\xffb"}, logrecord.Record{Log: "a\ufffdb"}},
		"only common": {map[string]any{"zone": "z"}, map[string]any{"log": ""}, logrecord.Record{Fields: `{"zone":"z"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDecoder(nil)
			for range 2 { // the second time from the cache
				records, result := d.decode(chunkOf("", c.common, entry(t, now-5, c.record)), now)
				require.Zero(t, result.bad)
				c.want.Time, c.want.Tag = now-5, "t"
				require.Equal(t, []logrecord.Record{c.want}, records)
			}
		})
	}
}

func TestWhatANodeSendsIsOfThatNode(t *testing.T) {
	d := newDecoder(nil)
	elsewhere := map[string]any{"kubernetes": map[string]any{"pod_name": "p", "host": "b"}}
	for _, c := range []struct {
		peer, want string
		common     map[string]any
		record     map[string]any
	}{
		{"system:node:a", "a", elsewhere, map[string]any{"log": "x"}},
		{"system:node:a", "a", nil, map[string]any{"log": "x", "kubernetes": elsewhere["kubernetes"]}},
		{"system:node:a", "a", nil, map[string]any{"log": "x"}},
		{"system:node:c", "c", elsewhere, map[string]any{"log": "x"}},
		{"ann", "b", elsewhere, map[string]any{"log": "x"}},
		{"", "b", nil, map[string]any{"log": "x", "kubernetes": elsewhere["kubernetes"]}},
	} {
		for range 2 { // the second time from the cache
			chunk := chunkOf("", c.common, entry(t, now, c.record))
			chunk.Peer = c.peer
			records, result := d.decode(chunk, now)
			require.Zero(t, result.bad)
			require.Equal(t, c.want, records[0].Source.Host)
		}
	}
}

func TestRecordsShareTheirSource(t *testing.T) {
	d := newDecoder(nil)
	common := map[string]any{"kubernetes": map[string]any{"pod_name": "p"}}
	one, _ := d.decode(chunkOf("", common, entry(t, now, map[string]any{"log": "a"}), entry(t, now, map[string]any{"log": "b"})), now)
	two, _ := d.decode(chunkOf("", common, entry(t, now, map[string]any{"log": "c"})), now)
	require.Same(t, one[0].Source, one[1].Source)
	require.Same(t, one[0].Source, two[0].Source)
}

func TestTimesThatAreOfNoUse(t *testing.T) {
	d := newDecoder(nil)
	record := func(rawTime ...byte) []byte { return append(append([]byte{0x92}, rawTime...), 0x80) }
	for name, c := range map[string]struct {
		entry  []byte
		time   int64
		fields string
		bad    int
	}{
		"nil":         {record(0xc0), now, "", 0},
		"zero":        {record(0), now, "", 0},
		"text":        {record(0xa1, 'x'), now, `{"event_time":"x"}`, 1},
		"long ago":    {record(1), now, `{"event_time":"1970-01-01T00:00:01Z"}`, 1},
		"far ahead":   {record(0xce, 0xff, 0xff, 0xff, 0xff), now, `{"event_time":"2106-02-07T06:28:15Z"}`, 1},
		"a day ahead": {append(forward.AppendEventTime([]byte{0x92}, now+86400e9), 0x80), now + 86400e9, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			records, result := d.decode(chunkOf("", nil, c.entry), now)
			require.Len(t, records, 1)
			require.Equal(t, c.time, records[0].Time)
			require.Equal(t, c.fields, records[0].Fields)
			require.Equal(t, c.bad, result.badTimes)
		})
	}
}

// memory is a store.
type memory struct {
	mu      sync.Mutex
	calls   int
	batches []logrecord.Batch
	fail    error
	hold    chan struct{}
}

func (m *memory) Append(_ context.Context, batches []logrecord.Batch) error {
	if m.hold != nil {
		<-m.hold
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.fail != nil {
		return m.fail
	}
	m.batches = append(m.batches, batches...)
	return nil
}

func open(t *testing.T, o Options) *Receiver {
	t.Helper()
	r, err := New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func TestGroupsAreCommittedInAllStoresBeforeTheAck(t *testing.T) {
	a, b := &memory{hold: make(chan struct{})}, &memory{}
	r := open(t, Options{Stores: []Store{a, b}, MaxDelay: time.Hour, MaxRecords: 10})
	done := make(chan error, 10)
	for i := range 10 {
		r.Handle(t.Context(), chunkOf(fmt.Sprint(i), nil, entry(t, now, map[string]any{"log": "x"})), func(err error) { done <- err })
	}
	require.Eventually(t, func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.calls == 1 }, 10*time.Second, time.Millisecond)
	require.Empty(t, done, "one store has not committed")
	close(a.hold)
	for range 10 {
		require.NoError(t, <-done)
	}
	require.Len(t, a.batches, 10)
	require.Equal(t, 1, a.calls)
}

func TestStoreErrorIsTheClientsToRepeat(t *testing.T) {
	var log strings.Builder
	reg := prometheus.NewRegistry()
	m := &memory{fail: errors.New("disk full")}
	r := open(t, Options{Stores: []Store{m}, MaxDelay: time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil)), Registerer: reg})
	done := make(chan error, 1)
	c := chunkOf("x", nil, entry(t, now, map[string]any{"log": "x"}))
	r.Handle(t.Context(), c, func(err error) { done <- err })
	require.ErrorContains(t, <-done, "disk full")
	m.mu.Lock()
	m.fail = nil
	m.mu.Unlock()
	r.Handle(t.Context(), c, func(err error) { done <- err })
	require.NoError(t, <-done)
	require.NoError(t, r.Close())
	require.Contains(t, log.String(), "disk full")
}

func TestRepetitionInHandSharesTheFate(t *testing.T) {
	m := &memory{hold: make(chan struct{})}
	r := open(t, Options{Stores: []Store{m}, MaxDelay: time.Millisecond})
	done := make(chan error, 2)
	c := chunkOf("x", nil, entry(t, now, map[string]any{"log": "x"}))
	r.Handle(t.Context(), c, func(err error) { done <- err })
	r.Handle(t.Context(), c, func(err error) { done <- err })
	close(m.hold)
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	require.Len(t, m.batches, 1)
}

func TestBadEventsAreCountedAndTheRestIsKept(t *testing.T) {
	var log strings.Builder
	reg := prometheus.NewRegistry()
	m := &memory{}
	r := open(t, Options{Stores: []Store{m}, MaxDelay: time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil)), Registerer: reg})
	done := make(chan error, 1)
	good := entry(t, now, map[string]any{"log": "x"})
	r.Handle(t.Context(), chunkOf("x", nil, []byte{0x01}, good, []byte{0xc1}), func(err error) { done <- err })
	require.NoError(t, <-done)
	r.Handle(t.Context(), chunkOf("y", nil, []byte{0x01}), func(err error) { done <- err })
	require.NoError(t, <-done, "there is nothing to store, and no use in a repetition")
	metrics := &forward.Chunk{FrameOptions: forward.FrameOptions{Signal: forward.SignalMetrics, Chunk: "z"}, Entries: good}
	r.Handle(t.Context(), metrics, func(err error) { done <- err })
	require.NoError(t, <-done)
	require.Len(t, m.batches, 1)
	require.Len(t, m.batches[0].Records, 1)
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP lubberline_receive_logs_bad_events_total Events passed over because they are no [time, map].
# TYPE lubberline_receive_logs_bad_events_total counter
lubberline_receive_logs_bad_events_total 3
# HELP lubberline_receive_logs_other_signals_total Chunks of metrics or traces, passed over.
# TYPE lubberline_receive_logs_other_signals_total counter
lubberline_receive_logs_other_signals_total 1
`), "lubberline_receive_logs_bad_events_total", "lubberline_receive_logs_other_signals_total"))
	require.Contains(t, log.String(), "bad events")
}

func TestHandleWaitsWhileStoresAreSlow(t *testing.T) {
	m := &memory{hold: make(chan struct{})}
	r := open(t, Options{Stores: []Store{m}, MaxRecords: 1})
	done := make(chan error, 10)
	handled := make(chan int, 10)
	one := entry(t, now, map[string]any{"log": "x"})
	go func() {
		for i := range 5 {
			r.Handle(t.Context(), chunkOf("", nil, one), func(err error) { done <- err })
			handled <- i
		}
	}()
	require.Eventually(t, func() bool { return r.waiting() == waitingGroups }, 10*time.Second, time.Millisecond)
	require.Less(t, len(handled), 5)
	close(m.hold)
	for range 5 {
		require.NoError(t, <-done)
	}
}

func TestClosedReceiverRefuses(t *testing.T) {
	r := open(t, Options{Stores: []Store{&memory{}}})
	require.NoError(t, r.Close())
	done := make(chan error, 1)
	r.Handle(t.Context(), chunkOf("", nil, entry(t, now, map[string]any{"log": "x"})), func(err error) { done <- err })
	require.ErrorIs(t, <-done, ErrClosed)
	_, err := New(Options{})
	require.Error(t, err)
}

func TestThroughAServer(t *testing.T) {
	m := &memory{}
	r := open(t, Options{Stores: []Store{m}, MaxDelay: time.Millisecond})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s, err := forward.NewServer(forward.Options{Listeners: []net.Listener{l}, Handler: r})
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	c, err := forward.Dial(t.Context(), forward.ClientOptions{Address: l.Addr().String()})
	require.NoError(t, err)
	defer c.Close()
	body := entry(t, now, map[string]any{"log": "x"})
	require.NoError(t, c.Send(forward.AppendPackedHeader(nil, "t", len(body)), body, forward.AppendOptions(nil, forward.FrameOptions{Chunk: "id"})))
	id, err := c.ReadAck(10 * time.Second)
	require.NoError(t, err)
	require.Equal(t, "id", id)
	require.Equal(t, "id", m.batches[0].ChunkID)
	require.NoError(t, s.Shutdown(t.Context()))
	require.NoError(t, <-served)
}

func FuzzDecode(f *testing.F) {
	f.Add(entry(f, now, map[string]any{"log": "x", "stream": "y", "n": 1, "kubernetes": map[string]any{"labels": map[string]any{"a": "b"}}}), []byte{0x80})
	f.Add(entry(f, now, map[string]any{"container_id": "x", "source": "y"}), []byte{0x81, 0xa1, 'a', 1})
	f.Fuzz(func(t *testing.T, entries, common []byte) {
		if rest, err := forward.Skip(common); err != nil || len(rest) > 0 || !forward.IsMap(common) {
			common = nil // what a frame's options would not let through
		}
		c := &forward.Chunk{Entries: entries, FrameOptions: forward.FrameOptions{Common: common}}
		records, _ := newDecoder(nil).decode(c, now)
		for _, r := range records {
			require.True(t, r.Fields == "" || json.Valid([]byte(r.Fields)), "%q", r.Fields)
			require.Positive(t, r.Time)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	line := strings.Repeat("a line of a log ", 12)
	var entries [][]byte
	for range 5000 {
		entries = append(entries, entry(b, now, map[string]any{"log": line, "stream": "stdout"}))
	}
	c := chunkOf("x", map[string]any{"kubernetes": map[string]any{"pod_name": "p"}}, entries...)
	c.Size = len(entries)
	d := newDecoder(nil)
	b.SetBytes(int64(len(c.Entries)))
	for b.Loop() {
		d.decode(c, now)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(entries)), "ns/record")
}
