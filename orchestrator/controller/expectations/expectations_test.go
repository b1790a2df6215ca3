package expectations

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clocktesting "k8s.io/utils/clock/testing"
)

type view struct {
	cached map[Object]bool // to: is being deleted
	living map[Object]bool
	err    error
	asked  int
}

func (v *view) Cached(o Object) (present, deleting bool) {
	deleting, present = v.cached[o]
	return present, deleting
}

func (v *view) Living(context.Context) (map[Object]bool, error) {
	v.asked++
	return v.living, v.err
}

func newSet() (*Set, *clocktesting.FakeClock) {
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	return New(clock), clock
}

func met(t *testing.T, s *Set, key string, v *view) bool {
	t.Helper()
	ok, err := s.Met(t.Context(), key, v)
	require.NoError(t, err)
	return ok
}

var (
	a = Object{"ns", "a", "1"}
	b = Object{"ns", "b", "2"}
)

func TestMetWhenTheCacheShowsWhatWasWritten(t *testing.T) {
	s, _ := newSet()
	require.True(t, met(t, s, "ns/rc", &view{}))

	s.Created("ns/rc", a)
	s.Deleted("ns/rc", b)
	v := &view{cached: map[Object]bool{b: false}}
	require.False(t, met(t, s, "ns/rc", v))
	require.True(t, met(t, s, "ns/other", v), "owners do not wait for one another")

	v.cached[a] = false
	require.False(t, met(t, s, "ns/rc", v), "b is not shown as deleted")
	v.cached[b] = true
	require.True(t, met(t, s, "ns/rc", v))
	require.Empty(t, s.owners)
	require.Zero(t, v.asked)
}

func TestAnObjectOfTheSameNameIsNotTheOneExpected(t *testing.T) {
	s, _ := newSet()
	s.Created("k", a)
	require.False(t, met(t, s, "k", &view{cached: map[Object]bool{{"ns", "a", "old"}: false}}))
}

func TestTheAPIIsAskedForWhatDoesNotShow(t *testing.T) {
	s, clock := newSet()
	s.Created("k", a)
	s.Created("k", b)
	v := &view{living: map[Object]bool{b: false}}
	require.False(t, met(t, s, "k", v))
	require.Zero(t, v.asked)

	clock.Step(Patience)
	require.False(t, met(t, s, "k", v), "b lives, so that it will show")
	require.False(t, met(t, s, "k", v), "and is given time again")
	require.Equal(t, 1, v.asked)

	clock.Step(Patience)
	v.err = errors.New("refused")
	_, err := s.Met(t.Context(), "k", v)
	require.Error(t, err)
	v.err, v.living = nil, nil
	require.True(t, met(t, s, "k", v))

	s.Created("k", a)
	s.Forget("k")
	require.True(t, met(t, s, "k", v))
}

func TestACreationWithoutAnAnswerIsLookedUp(t *testing.T) {
	s, _ := newSet()
	s.CreationUnsure("k")
	v := &view{living: map[Object]bool{a: false}}
	require.False(t, met(t, s, "k", v), "it was made after all")
	v.cached = map[Object]bool{a: false}
	require.True(t, met(t, s, "k", v))

	s.CreationUnsure("k")
	v.living, v.cached = nil, nil
	require.True(t, met(t, s, "k", v))
	require.Equal(t, 2, v.asked)
}

func TestADeletionWithoutAnAnswerIsLookedUp(t *testing.T) {
	s, _ := newSet()
	s.DeletionUnsure("k", a)
	v := &view{cached: map[Object]bool{a: false}, living: map[Object]bool{a: true}}
	require.False(t, met(t, s, "k", v), "it was deleted after all, which will show")
	v.cached[a] = true
	require.True(t, met(t, s, "k", v))

	s.DeletionUnsure("k", a)
	v.cached[a], v.living[a] = false, false
	require.True(t, met(t, s, "k", v), "it was not")
}
