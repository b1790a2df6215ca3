package forwardship

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

	"github.com/lubberline/lubberline/collector/chunk"
	"github.com/lubberline/lubberline/forward"
	"github.com/lubberline/lubberline/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver is a handler with a mind of its own.
type receiver struct {
	mu     sync.Mutex
	chunks []*forward.Chunk
	dones  []func(error)
	decide func(c *forward.Chunk) (hold bool, err error)
}

func (r *receiver) Handle(_ context.Context, c *forward.Chunk, done func(error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	hold, err := false, error(nil)
	if r.decide != nil {
		hold, err = r.decide(c)
	}
	if err == nil {
		r.chunks = append(r.chunks, c)
	}
	if hold {
		r.dones = append(r.dones, done)
		return
	}
	done(err)
}

func (r *receiver) ids() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for _, c := range r.chunks {
		ids = append(ids, c.FrameOptions.Chunk)
	}
	return ids
}

func (r *receiver) chunk(i int) *forward.Chunk {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.chunks[i]
}

func (r *receiver) done(i int) {
	r.mu.Lock()
	done := r.dones[i]
	r.mu.Unlock()
	done(nil)
}

func serve(t *testing.T, h forward.Handler, address string) *forward.Server {
	t.Helper()
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	s, err := forward.NewServer(forward.Options{Listeners: []net.Listener{l}, Handler: h})
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(ctx)
		require.NoError(t, <-served)
	})
	return s
}

func openSpool(t *testing.T) *spool.Spool {
	t.Helper()
	q, err := spool.Open(spool.Options{Dir: t.TempDir(), Name: "logs"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	return q
}

func put(t *testing.T, q *spool.Spool, chunks ...chunk.Chunk) {
	t.Helper()
	for _, c := range chunks {
		_, err := q.Append(chunk.AppendEncode(nil, &c))
		require.NoError(t, err)
	}
}

func entryOf(record map[string]any) []byte {
	b, _ := msgp.AppendMapStrIntf(forward.AppendEventTime([]byte{0x92}, 1), record)
	return b
}

func simple(id string) chunk.Chunk {
	return chunk.Chunk{ID: id, Tag: "t", Count: 1, Entries: entryOf(map[string]any{"log": "x"}), Common: []byte{0x81, 0xa1, 'a', 0xa1, 'b'}}
}

// run starts a shipper and returns what stops it.
func run(t *testing.T, o Options) (stop func()) {
	t.Helper()
	if o.RetryMin == 0 {
		o.RetryMin = time.Millisecond
		o.RetryMax = 5 * time.Millisecond
	}
	s, err := New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return stop
}

func eventually(t *testing.T, f func() bool) {
	t.Helper()
	require.Eventually(t, f, 10*time.Second, time.Millisecond)
}

func TestChunksArriveAndAreAcknowledged(t *testing.T) {
	q := openSpool(t)
	r := &receiver{}
	put(t, q, simple(""), simple("given"), simple(""))
	run(t, Options{Queue: q, Client: forward.ClientOptions{Address: serve(t, r, "127.0.0.1:0").Addr().String()}})
	eventually(t, func() bool { return q.Stats().Entries == 0 })
	require.Equal(t, []string{q.ID() + "-1", "given", q.ID() + "-3"}, r.ids())
	c := r.chunk(0)
	require.Equal(t, "t", c.Tag)
	require.Equal(t, 1, c.Size)
	require.Equal(t, simple("").Common, c.Common)
	require.Equal(t, simple("").Entries, c.Entries)
	put(t, q, simple("later"))
	eventually(t, func() bool { return q.Stats().Entries == 0 })
}

func TestInlineCommon(t *testing.T) {
	q := openSpool(t)
	r := &receiver{}
	put(t, q, simple(""))
	run(t, Options{Queue: q, InlineCommon: true, Client: forward.ClientOptions{Address: serve(t, r, "127.0.0.1:0").Addr().String()}})
	eventually(t, func() bool { return q.Stats().Entries == 0 })
	require.Empty(t, r.chunk(0).Common)
	it := forward.NewIterator(r.chunk(0).Entries)
	require.True(t, it.Next())
	record, _, err := msgp.ReadMapStrIntfBytes(it.Entry.Record, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": "b", "log": "x"}, record)
	require.EqualValues(t, 1, it.Entry.Time)
	require.False(t, it.Next())
}

func TestRefusedAndLostChunksAreSentAgainWithTheirIDs(t *testing.T) {
	q := openSpool(t)
	refused := map[string]int{}
	r := &receiver{}
	r.decide = func(c *forward.Chunk) (bool, error) {
		id := c.FrameOptions.Chunk
		if refused[id]++; refused[id] <= 2 && strings.HasSuffix(id, "5") {
			return false, errors.New("not now")
		}
		return false, nil
	}
	for range 20 {
		put(t, q, simple(""))
	}
	run(t, Options{Queue: q, WindowChunks: 3, Client: forward.ClientOptions{Address: serve(t, r, "127.0.0.1:0").Addr().String()}})
	eventually(t, func() bool { return q.Stats().Entries == 0 })
	seen := map[string]bool{}
	for _, id := range r.ids() {
		seen[id] = true
	}
	for seq := 1; seq <= 20; seq++ {
		require.True(t, seen[fmt.Sprintf("%s-%d", q.ID(), seq)])
	}
}

func TestOutage(t *testing.T) {
	q := openSpool(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	var log strings.Builder
	reg := prometheus.NewRegistry()
	put(t, q, simple("a"))
	s, err := New(Options{
		Queue: q, Client: forward.ClientOptions{Address: address}, RetryMin: time.Millisecond, RetryMax: 2 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(&log, nil)), Registerer: reg,
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	eventually(t, func() bool { return testutil.ToFloat64(s.metrics.retries) > 3 })
	r := &receiver{}
	serve(t, r, address)
	eventually(t, func() bool { return q.Stats().Entries == 0 })
	cancel()
	require.NoError(t, <-ended)
	require.Equal(t, []string{"a"}, r.ids())
	require.Contains(t, log.String(), "connection refused")
}

func TestAcknowledgementsOutOfOrder(t *testing.T) {
	q := openSpool(t)
	r := &receiver{decide: func(*forward.Chunk) (bool, error) { return true, nil }}
	put(t, q, simple("a"), simple("b"), simple("c"))
	run(t, Options{Queue: q, Client: forward.ClientOptions{Address: serve(t, r, "127.0.0.1:0").Addr().String()}})
	eventually(t, func() bool { return len(r.ids()) == 3 })
	r.done(2)
	r.done(1)
	require.EqualValues(t, 0, q.Stats().AckedSeq)
	r.done(0)
	eventually(t, func() bool { return q.Stats().AckedSeq == 3 })
}

func TestWindowHoldsBack(t *testing.T) {
	q := openSpool(t)
	r := &receiver{decide: func(*forward.Chunk) (bool, error) { return true, nil }}
	for range 6 {
		put(t, q, simple(""))
	}
	run(t, Options{Queue: q, WindowChunks: 2, Client: forward.ClientOptions{Address: serve(t, r, "127.0.0.1:0").Addr().String()}})
	for n := 2; n <= 6; n++ {
		eventually(t, func() bool { return len(r.ids()) == n })
		r.done(n - 2)
	}
	r.done(5)
	eventually(t, func() bool { return q.Stats().Entries == 0 })
}

func TestOverdueAcknowledgementIsAFailure(t *testing.T) {
	q := openSpool(t)
	first := true
	r := &receiver{decide: func(*forward.Chunk) (bool, error) {
		hold := first
		first = false
		return hold, nil
	}}
	put(t, q, simple("a"))
	run(t, Options{Queue: q, AckTime: 10 * time.Millisecond, Client: forward.ClientOptions{Address: serve(t, r, "127.0.0.1:0").Addr().String()}})
	eventually(t, func() bool { return q.Stats().Entries == 0 })
	require.GreaterOrEqual(t, len(r.ids()), 2)
	require.Equal(t, "a", r.ids()[1])
}

func TestEntryThatIsNoChunkIsPassedOver(t *testing.T) {
	q := openSpool(t)
	_, err := q.Append([]byte{99})
	require.NoError(t, err)
	put(t, q, simple("a"))
	_, err = q.Append([]byte{98})
	require.NoError(t, err)
	r := &receiver{}
	run(t, Options{Queue: q, Client: forward.ClientOptions{Address: serve(t, r, "127.0.0.1:0").Addr().String()}})
	eventually(t, func() bool { return q.Stats().Entries == 0 })
	require.Equal(t, []string{"a"}, r.ids())
}

func TestStopWaitsForAcknowledgements(t *testing.T) {
	q := openSpool(t)
	r := &receiver{decide: func(*forward.Chunk) (bool, error) { return true, nil }}
	put(t, q, simple("a"))
	stop := run(t, Options{Queue: q, DrainTime: time.Hour, Client: forward.ClientOptions{Address: serve(t, r, "127.0.0.1:0").Addr().String()}})
	eventually(t, func() bool { return len(r.ids()) == 1 })
	time.AfterFunc(5*time.Millisecond, func() { r.done(0) })
	stop()
	require.Zero(t, q.Stats().Entries)
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := New(Options{})
	require.Error(t, err)
}

// BenchmarkSpoolToServer appends chunks of 2 MiB, ships and acknowledges them.
func BenchmarkSpoolToServer(b *testing.B) {
	q, err := spool.Open(spool.Options{Dir: b.TempDir(), MaxBytes: 8 << 30})
	require.NoError(b, err)
	defer q.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	server, err := forward.NewServer(forward.Options{Listeners: []net.Listener{l}, Handler: take{}})
	require.NoError(b, err)
	go server.Serve()
	defer server.Shutdown(context.Background())
	s, err := New(Options{Queue: q, Client: forward.ClientOptions{Address: l.Addr().String()}})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	entry := chunk.AppendEncode(nil, &chunk.Chunk{Tag: "t", Count: 1, Entries: make([]byte, 2<<20)})
	b.SetBytes(int64(len(entry)))
	for b.Loop() {
		_, err := q.Append(entry)
		require.NoError(b, err)
	}
	require.Eventually(b, func() bool { return q.Stats().Entries == 0 }, time.Minute, time.Millisecond)
	cancel()
	require.NoError(b, <-ended)
}

type take struct{}

func (take) Handle(_ context.Context, _ *forward.Chunk, done func(error)) { done(nil) }
