package forwardinput

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

	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
	"go.uber.org/goleak"

	"github.com/lubberline/lubberline/collector/chunk"
	"github.com/lubberline/lubberline/forward"
	"github.com/lubberline/lubberline/logrecord"
	"github.com/lubberline/lubberline/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type appender struct {
	mu     sync.Mutex
	chunks []chunk.Chunk
	fail   error
}

func (a *appender) Append(entries ...[]byte) (uint64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail != nil {
		return 0, a.fail
	}
	for _, e := range entries {
		c, err := chunk.Decode(append([]byte(nil), e...))
		if err != nil {
			return 0, err
		}
		a.chunks = append(a.chunks, c)
	}
	return 1, nil
}

func (a *appender) set(err error) {
	a.mu.Lock()
	a.fail = err
	a.mu.Unlock()
}

func (a *appender) wait(t *testing.T, n int) []chunk.Chunk {
	t.Helper()
	require.Eventually(t, func() bool { a.mu.Lock(); defer a.mu.Unlock(); return len(a.chunks) >= n }, 10*time.Second, time.Millisecond)
	a.mu.Lock()
	defer a.mu.Unlock()
	require.Len(t, a.chunks, n)
	return a.chunks
}

type containers map[string]*logrecord.Source

func (c containers) Lookup(id string) *logrecord.Source { return c[id] }

func open(t *testing.T, o Options) *Input {
	t.Helper()
	o.Node = "node"
	in, err := New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, in.Close()) })
	return in
}

func chunkOf(t *testing.T, id string, records ...map[string]any) *forward.Chunk {
	t.Helper()
	c := &forward.Chunk{Tag: "t", Remote: "10.0.0.1:1234", FrameOptions: forward.FrameOptions{Chunk: id}}
	for i, r := range records {
		b, err := msgp.AppendMapStrIntf(forward.AppendEventTime([]byte{0x92}, int64(i+1)), r)
		require.NoError(t, err)
		c.Entries = append(c.Entries, b...)
	}
	return c
}

func handle(in *Input, c *forward.Chunk) error {
	done := make(chan error, 1)
	in.Handle(context.Background(), c, func(err error) { done <- err })
	return <-done
}

func recordsOf(t *testing.T, c chunk.Chunk) []map[string]any {
	t.Helper()
	var out []map[string]any
	it := forward.NewIterator(c.Entries)
	for it.Next() {
		m, _, err := msgp.ReadMapStrIntfBytes(it.Entry.Record, nil)
		require.NoError(t, err)
		out = append(out, m)
	}
	require.Zero(t, it.Bad)
	require.Len(t, out, c.Count)
	return out
}

func commonOfChunk(t *testing.T, c chunk.Chunk) map[string]any {
	t.Helper()
	m, _, err := msgp.ReadMapStrIntfBytes(c.Common, nil)
	require.NoError(t, err)
	return m
}

func dockerLine(id, log string, more ...string) map[string]any {
	m := map[string]any{"container_id": id, "container_name": "/web", "source": "stdout", "log": log}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

func partOf(id, log string, ordinal int, last bool) map[string]any {
	return dockerLine(id, log, "partial_message", "true", "partial_id", "p1", "partial_ordinal", fmt.Sprint(ordinal), "partial_last", fmt.Sprint(last))
}

func TestChunkBecomesASpoolEntryUnderAnIDOfItsSender(t *testing.T) {
	a := &appender{}
	in := open(t, Options{Spool: a})
	c := chunkOf(t, "x", map[string]any{"message": "m"}, map[string]any{"n": int64(2)})
	require.NoError(t, handle(in, c))
	require.NoError(t, handle(in, c), "a repetition is acknowledged and not kept")
	got := a.wait(t, 1)[0]
	require.Equal(t, "node/10.0.0.1/x", got.ID)
	require.Equal(t, "t", got.Tag)
	require.Equal(t, []map[string]any{{"message": "m"}, {"n": int64(2)}}, recordsOf(t, got))
	require.Equal(t, c.Entries, got.Entries)
	require.Equal(t, map[string]any{"kubernetes": map[string]any{"host": "node"}}, commonOfChunk(t, got))
}

func TestChunksWithoutIDAreMerged(t *testing.T) {
	a := &appender{}
	in := open(t, Options{Spool: a, MaxDelay: 50 * time.Millisecond})
	var dones sync.WaitGroup
	for i := range 100 {
		dones.Add(1)
		in.Handle(t.Context(), chunkOf(t, "", map[string]any{"n": int64(i)}), func(error) { dones.Done() })
	}
	dones.Wait()
	n := 0
	for _, c := range a.chunks {
		require.Empty(t, c.ID)
		n += len(recordsOf(t, c))
	}
	require.Equal(t, 100, n)
	require.Less(t, len(a.chunks), 50)
}

func TestRecordsOfDockersDriver(t *testing.T) {
	a := &appender{}
	known := containers{"id1": {Namespace: "docker", Pod: "web", Container: "web", ContainerID: "id1", Image: "img", Host: "node"}}
	in := open(t, Options{Spool: a, Containers: known})
	require.NoError(t, handle(in, chunkOf(t, "x", dockerLine("id1", "a", "env", "prod"), dockerLine("id2", "b"), map[string]any{"other": "c"}, dockerLine("id1", "d"))))
	got := a.wait(t, 3)
	require.Equal(t, []string{"node/10.0.0.1/x", "node/10.0.0.1/x/1", "node/10.0.0.1/x/2"}, []string{got[0].ID, got[1].ID, got[2].ID})
	require.Equal(t, []map[string]any{{"log": "a", "stream": "stdout", "env": "prod"}, {"log": "d", "stream": "stdout"}}, recordsOf(t, got[0]))
	require.Equal(t, map[string]any{
		"docker":     map[string]any{"container_id": "id1"},
		"kubernetes": map[string]any{"namespace_name": "docker", "pod_name": "web", "container_name": "web", "container_image": "img", "host": "node"},
	}, commonOfChunk(t, got[0]))
	require.Equal(t, map[string]any{
		"docker":     map[string]any{"container_id": "id2"},
		"kubernetes": map[string]any{"container_name": "web", "host": "node"},
	}, commonOfChunk(t, got[1]))
	require.Equal(t, []map[string]any{{"other": "c"}}, recordsOf(t, got[2]))
}

func TestPartsAreJoined(t *testing.T) {
	a := &appender{}
	in := open(t, Options{Spool: a})
	require.NoError(t, handle(in, chunkOf(t, "1", partOf("id1", "one ", 1, false))))
	require.NoError(t, handle(in, chunkOf(t, "2", partOf("id2", "other ", 1, false))))
	require.NoError(t, handle(in, chunkOf(t, "3", partOf("id1", "two ", 2, false))))
	require.NoError(t, handle(in, chunkOf(t, "3b", partOf("id1", "two ", 2, false))), "the same part again")
	require.NoError(t, handle(in, chunkOf(t, "4", partOf("id1", "three", 3, true))))
	got := a.wait(t, 1)[0]
	require.Equal(t, "node/10.0.0.1/4", got.ID)
	require.Equal(t, []map[string]any{{"log": "one two three", "stream": "stdout"}}, recordsOf(t, got))
	require.NoError(t, in.Close())
	require.Equal(t, "other ", recordsOf(t, a.wait(t, 2)[1])[0]["log"], "what is unfinished is not lost at the end")
}

func TestUnfinishedLinesHaveLimits(t *testing.T) {
	a := &appender{}
	in := open(t, Options{Spool: a, PartTime: 5 * time.Millisecond, MaxLine: 10})
	require.NoError(t, handle(in, chunkOf(t, "", partOf("id1", "late", 1, false))))
	require.Equal(t, "late", recordsOf(t, a.wait(t, 1)[0])[0]["log"])
	require.NoError(t, handle(in, chunkOf(t, "", partOf("id1", "long enough", 1, false))))
	require.Equal(t, "long enough", recordsOf(t, a.wait(t, 2)[1])[0]["log"])
}

func openJournal(t *testing.T, dir string) *spool.Spool {
	t.Helper()
	s, err := spool.Open(spool.Options{Dir: dir, Name: "parts"})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func TestAcknowledgedPartsSurviveACrash(t *testing.T) {
	dir := t.TempDir()
	a := &appender{}
	journal := openJournal(t, dir)
	in := open(t, Options{Spool: a, Parts: journal})
	require.NoError(t, handle(in, chunkOf(t, "1", partOf("id1", "one ", 1, false))))
	require.NoError(t, handle(in, chunkOf(t, "2", partOf("id1", "two ", 2, false))))
	require.NoError(t, journal.Close()) // all that a crash leaves

	journal = openJournal(t, dir)
	again := open(t, Options{Spool: a, Parts: journal})
	require.NoError(t, handle(again, chunkOf(t, "3", partOf("id1", "three", 3, true))))
	require.Equal(t, "one two three", recordsOf(t, a.wait(t, 1)[0])[0]["log"])
	require.Eventually(t, func() bool { return journal.Stats().Entries == 0 }, 10*time.Second, time.Millisecond)
}

func TestLastPartThatCannotBeKeptIsWaitedForAgain(t *testing.T) {
	a := &appender{}
	in := open(t, Options{Spool: a, Parts: openJournal(t, t.TempDir())})
	require.NoError(t, handle(in, chunkOf(t, "1", partOf("id1", "one ", 1, false))))
	a.set(errors.New("disk full"))
	require.ErrorContains(t, handle(in, chunkOf(t, "2", partOf("id1", "two", 2, true))), "disk full")
	a.set(nil)
	require.NoError(t, handle(in, chunkOf(t, "2", partOf("id1", "two", 2, true))))
	require.Equal(t, "one two", recordsOf(t, a.wait(t, 1)[0])[0]["log"])
}

func TestSpoolErrors(t *testing.T) {
	var log strings.Builder
	a := &appender{fail: errors.New("disk full")}
	reg := prometheus.NewRegistry()
	in := open(t, Options{Spool: a, MaxDelay: time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil)), Registerer: reg})
	kept := make(chan error, 1)
	in.Handle(t.Context(), chunkOf(t, "", map[string]any{"a": "b"}), func(err error) { kept <- err })
	require.ErrorContains(t, handle(in, chunkOf(t, "x", map[string]any{"a": "b"})), "disk full")
	require.Empty(t, kept, "nobody would send it again")
	a.set(nil)
	require.NoError(t, <-kept)
	require.NoError(t, handle(in, chunkOf(t, "x", map[string]any{"a": "b"})), "a refused chunk is not taken for known")
	a.wait(t, 2)
}

func TestBadEventsAndOtherSignals(t *testing.T) {
	a := &appender{}
	in := open(t, Options{Spool: a})
	c := chunkOf(t, "x", map[string]any{"a": "b"})
	c.Entries = append([]byte{0x01}, c.Entries...)
	require.NoError(t, handle(in, c))
	require.Len(t, recordsOf(t, a.wait(t, 1)[0]), 1)
	require.NoError(t, handle(in, &forward.Chunk{FrameOptions: forward.FrameOptions{Signal: forward.SignalTraces}}))
	require.NoError(t, handle(in, &forward.Chunk{Entries: []byte{0x01}}))
}

func TestRecentForgetsTheOldest(t *testing.T) {
	r := newRecent(2)
	for _, id := range []string{"a", "b", "b", "c"} {
		r.add(id)
	}
	require.False(t, r.has("a"))
	require.True(t, r.has("b"))
	require.True(t, r.has("c"))
	require.Len(t, r.known, 2)
}

func TestDockersClientThroughAServer(t *testing.T) {
	a := &appender{}
	in := open(t, Options{Spool: a, Parts: openJournal(t, t.TempDir())})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server, err := forward.NewServer(forward.Options{Listeners: []net.Listener{l}, Handler: in})
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	client, err := fluent.New(fluent.Config{FluentHost: "127.0.0.1", FluentPort: l.Addr().(*net.TCPAddr).Port, RequestAck: true, SubSecondPrecision: true, ReadTimeout: 10 * time.Second})
	require.NoError(t, err)
	for i := range 3 {
		require.NoError(t, client.Post("docker.id1", map[string]string{
			"container_id": "id1", "container_name": "/web", "source": "stderr", "log": fmt.Sprint(i),
			"partial_message": "true", "partial_id": "p", "partial_ordinal": fmt.Sprint(i + 1), "partial_last": fmt.Sprint(i == 2),
		}))
	}
	require.NoError(t, client.Close())
	require.NoError(t, server.Shutdown(t.Context()))
	require.NoError(t, <-served)
	got := a.wait(t, 1)[0]
	require.Equal(t, []map[string]any{{"log": "012", "stream": "stderr"}}, recordsOf(t, got))
	require.NotEmpty(t, got.ID)
}

func FuzzHandle(f *testing.F) {
	record, _ := msgp.AppendMapStrIntf(forward.AppendEventTime([]byte{0x92}, 1), partOf("id", "log", 1, true))
	f.Add(record)
	plain, _ := msgp.AppendMapStrIntf([]byte{0x92, 0x01}, map[string]any{"log": "x"})
	f.Add(plain)
	f.Fuzz(func(t *testing.T, entries []byte) {
		a := &appender{}
		in, err := New(Options{Spool: a, MaxDelay: time.Millisecond})
		require.NoError(t, err)
		require.NoError(t, handle(in, &forward.Chunk{Entries: entries, FrameOptions: forward.FrameOptions{Chunk: "x"}}))
		require.NoError(t, in.Close())
		for _, c := range a.chunks {
			require.Equal(t, c.Count, forward.CountEntries(c.Entries))
		}
	})
}
