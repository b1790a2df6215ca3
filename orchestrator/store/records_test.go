package store

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRecords(t *testing.T) {
	s := open(t, t.TempDir())
	r, ctx := s.Records(), t.Context()
	changes := r.Changes(ctx, "a/")
	none, err := r.Get(ctx, "a/1")
	require.NoError(t, err)
	require.Equal(t, Record{Key: "a/1"}, none)

	written, err := r.Put(ctx, "a/1", []byte("x"), 0)
	require.NoError(t, err)
	require.True(t, written)
	written, err = r.Put(ctx, "a/1", []byte("y"), 0)
	require.NoError(t, err)
	require.False(t, written, "it is there already")
	have, err := r.Get(ctx, "a/1")
	require.NoError(t, err)
	require.Equal(t, "x", string(have.Value))
	written, err = r.Put(ctx, "a/1", []byte("y"), have.Revision)
	require.NoError(t, err)
	require.True(t, written)
	require.Eventually(t, func() bool { return len(changes) == 1 }, 10*time.Second, time.Millisecond)

	require.NoError(t, r.SignOfLife(ctx, "a/2", []byte("alive"), time.Minute))
	before, err := r.Get(ctx, "a/2")
	require.NoError(t, err)
	require.NoError(t, r.SignOfLife(ctx, "a/2", []byte("alive"), time.Minute))
	all, err := r.List(ctx, "a/")
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, before, all[1], "the same again is no new revision")
	require.NoError(t, r.EndOfLife(ctx, "a/2"))
	require.NoError(t, r.SignOfLife(ctx, "a/2", []byte("alive"), time.Minute))
	all, err = r.List(ctx, "a/")
	require.NoError(t, err)
	require.Len(t, all, 2)
}

func TestClaims(t *testing.T) {
	r, ctx := open(t, t.TempDir()).Records(), t.Context()
	var won atomic.Int32
	var racing sync.WaitGroup
	for _, owner := range []string{"a", "b", "c", "d"} {
		racing.Go(func() {
			current, err := r.Claim(ctx, "k", owner)
			if err != nil {
				t.Error(err)
			}
			if current == owner {
				won.Add(1)
			}
		})
	}
	racing.Wait()
	require.EqualValues(t, 1, won.Load())
	owner, err := r.Claim(ctx, "k", "e")
	require.NoError(t, err)
	require.NotEqual(t, "e", owner)
	require.NoError(t, r.Unclaim(ctx, "k", "e"))
	again, err := r.Claim(ctx, "k", "e")
	require.NoError(t, err)
	require.Equal(t, owner, again, "what is another's stays")
	require.NoError(t, r.Unclaim(ctx, "k", owner))
	again, err = r.Claim(ctx, "k", "e")
	require.NoError(t, err)
	require.Equal(t, "e", again)

	again, err = r.ClaimFor(ctx, "for a time", "a", time.Second)
	require.NoError(t, err)
	require.Equal(t, "a", again)
	require.Eventually(t, func() bool {
		again, err := r.ClaimFor(ctx, "for a time", "b", time.Minute)
		return err == nil && again == "b"
	}, 30*time.Second, 50*time.Millisecond)
}
