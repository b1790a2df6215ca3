package logging

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lubberline/lubberline/forward"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// input takes chunks but for the first few.
type input struct {
	refuse int
	chunks chan *forward.Chunk
}

func (in *input) Handle(_ context.Context, c *forward.Chunk, done func(error)) {
	if in.refuse > 0 {
		in.refuse--
		done(errors.New("disk full"))
		return
	}
	in.chunks <- c
	done(nil)
}

func serve(t *testing.T, in *input) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s, err := forward.NewServer(forward.Options{Name: "test", Listeners: []net.Listener{l}, Handler: in})
	require.NoError(t, err)
	done := make(chan error)
	go func() { done <- s.Serve() }()
	t.Cleanup(func() {
		require.NoError(t, s.Shutdown(context.Background()))
		require.NoError(t, <-done)
	})
	return s.Addr().String()
}

// TestOwnRecordsOutliveRefusals: what was logged before the pipeline runs, and
// while its input takes nothing, arrives in order.
func TestOwnRecordsOutliveRefusals(t *testing.T) {
	in := &input{refuse: 3, chunks: make(chan *forward.Chunk, 10)}
	p := NewPipeline("node-1")
	p.pause = time.Millisecond
	var text bytes.Buffer
	log := Component(New(&text, slog.LevelInfo, p), "spool").With("dir", "/x")
	log.Info("first", "n", 1)
	log.Debug("not this one")
	log.Warn("cannot append", "error", "no space left")

	require.NoError(t, p.Start(serve(t, in)))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	for _, want := range []string{"first dir=/x n=1", `cannot append dir=/x error="no space left"`} {
		c := <-in.chunks
		require.Equal(t, "lubberline.spool", c.Tag)
		require.Contains(t, string(c.Entries), want)
		require.Contains(t, string(c.Entries), "node-1")
	}
	cancel()
	require.NoError(t, <-ended)
	require.Zero(t, p.Dropped())
	require.Contains(t, text.String(), `msg="cannot append" component=spool dir=/x`)
	require.NotContains(t, text.String(), "not this one")
}

func TestFullBufferDropsCounted(t *testing.T) {
	p := NewPipeline("node-1")
	log := New(&bytes.Buffer{}, slog.LevelInfo, p)
	for range pipelineBuffer + 5 {
		log.Info("x")
	}
	require.EqualValues(t, 5, p.Dropped())
}
