package slowstart

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBatchesDoubleAndEndWithTheFirstThatFails(t *testing.T) {
	var calls []int
	full := errors.New("full")
	succeeded, err := Run(100, 1, func(i int) error {
		calls = append(calls, i)
		if i >= 4 {
			return full
		}
		return nil
	})
	require.ErrorIs(t, err, full)
	require.Equal(t, 4, succeeded)
	require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6}, calls, "1, 2 and 4 calls; 93 spared")
}

func TestAllCallsAreMadeOnceWithinTheLimit(t *testing.T) {
	var mu sync.Mutex
	seen, now, most := map[int]int{}, 0, 0
	succeeded, err := Run(37, 4, func(i int) error {
		mu.Lock()
		seen[i]++
		now++
		most = max(most, now)
		mu.Unlock()
		mu.Lock()
		defer mu.Unlock()
		now--
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 37, succeeded)
	require.Len(t, seen, 37)
	require.LessOrEqual(t, most, 4)
}

func TestNoCalls(t *testing.T) {
	succeeded, err := Run(0, 4, func(int) error { return errors.New("called") })
	require.NoError(t, err)
	require.Zero(t, succeeded)
}
