package logs

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/forward"
	"github.com/lubberline/lubberline/logrecord"
)

// recognising is a store that knows the chunks it has, and fails once.
type recognising struct {
	failAt int // call, from 1; 0 is never
	calls  int
	stored map[string]int // records by chunk id
}

func (s *recognising) Append(_ context.Context, batches []logrecord.Batch) error {
	if s.calls++; s.calls == s.failAt {
		return errors.New("disk full")
	}
	for _, b := range batches {
		if _, known := s.stored[b.ChunkID]; !known {
			s.stored[b.ChunkID] = len(b.Records)
		}
	}
	return nil
}

// TestLargeChunksAreStoredInPieces: the chunk is acknowledged when all of its
// pieces are stored, and one that failed half-way is completed by a repetition.
func TestLargeChunksAreStoredInPieces(t *testing.T) {
	const records = 4*pieceRecords + 5
	one := entry(t, now, map[string]any{"log": "x", "n": 1})
	c := &forward.Chunk{Tag: "t", FrameOptions: forward.FrameOptions{Chunk: "id"}, Entries: bytes.Repeat(one, records)}
	s := &recognising{failAt: 2, stored: map[string]int{}}
	r := open(t, Options{Stores: []Store{s}, MaxDelay: time.Millisecond, MaxRecords: pieceRecords})
	done := make(chan error, 10)
	handle := func() error {
		r.Handle(t.Context(), c, func(err error) { done <- err })
		return <-done
	}
	require.ErrorContains(t, handle(), "disk full")
	require.Equal(t, pieceRecords, s.stored["id"], "what came before the failure is stored")
	require.NoError(t, handle())
	want := map[string]int{"id": pieceRecords, "id#1": pieceRecords, "id#2": pieceRecords, "id#3": pieceRecords, "id#4": 5}
	require.Equal(t, want, s.stored)
	require.NoError(t, handle())
	require.Equal(t, want, s.stored)
	require.Empty(t, done, "each time is told of once")
}

func TestPiecesOfAChunkWithoutIdHaveNone(t *testing.T) {
	require.Empty(t, pieceID("", 3))
	require.Equal(t, "a", pieceID("a", 0))
	require.Equal(t, "a#3", pieceID("a", 3))
}
