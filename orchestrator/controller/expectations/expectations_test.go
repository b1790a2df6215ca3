package expectations

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

type view struct {
	cached map[Object]bool // to: is being deleted
	exists map[Object]bool
	err    error
}

func (v view) Cached(o Object) (present, deleting bool) {
	deleting, present = v.cached[o]
	return present, deleting
}

func (v view) Exists(o Object) (bool, error) { return v.exists[o], v.err }

func TestMetWhenTheCacheShowsWhatWasWritten(t *testing.T) {
	s := New()
	a, b := Object{"ns", "a", "1"}, Object{"ns", "b", "2"}
	require.True(t, s.Met("ns/rc", view{}))

	s.Created("ns/rc", a)
	s.Deleted("ns/rc", b)
	v := view{cached: map[Object]bool{b: false}}
	require.False(t, s.Met("ns/rc", v))
	require.True(t, s.Met("ns/other", v), "owners do not wait for one another")

	v.cached[a] = false
	require.False(t, s.Met("ns/rc", v), "b is not shown as deleted")
	v.cached[b] = true
	require.True(t, s.Met("ns/rc", v))
	require.Empty(t, s.owners)
}

func TestAnObjectOfTheSameNameIsNotTheOneExpected(t *testing.T) {
	s := New()
	s.Created("k", Object{"ns", "a", "new"})
	require.False(t, s.Met("k", view{cached: map[Object]bool{{"ns", "a", "old"}: false}}))
}

func TestRecheckDropsWhatVanishedUnseen(t *testing.T) {
	s := New()
	a, b := Object{"ns", "a", "1"}, Object{"ns", "b", "2"}
	s.Created("k", a)
	s.Created("k", b)
	v := view{exists: map[Object]bool{b: true}}
	met, err := s.Recheck("k", v)
	require.NoError(t, err)
	require.False(t, met, "b exists, so that it will be shown")
	v.exists[b] = false
	met, err = s.Recheck("k", v)
	require.NoError(t, err)
	require.True(t, met)

	s.Created("k", a)
	v.err = errors.New("refused")
	met, err = s.Recheck("k", v)
	require.Error(t, err)
	require.False(t, met)
	s.Forget("k")
	require.True(t, s.Met("k", v))
}
