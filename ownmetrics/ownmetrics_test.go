package ownmetrics

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

func TestRegisteredUntilTheEnd(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	a, b := prometheus.NewCounter(prometheus.CounterOpts{Name: "a_total"}), prometheus.NewCounter(prometheus.CounterOpts{Name: "b_total"})
	count := func() int {
		n, err := testutil.GatherAndCount(reg)
		require.NoError(t, err)
		return n
	}
	s, err := Register(reg, a, b)
	require.NoError(t, err)
	require.Equal(t, 2, count())

	_, err = Register(reg, prometheus.NewCounter(prometheus.CounterOpts{Name: "c_total"}), a)
	require.Error(t, err)
	require.Equal(t, 2, count(), "all or none")

	s.Unregister()
	s.Unregister()
	require.Zero(t, count())
	_, err = Register(nil, a, a)
	require.NoError(t, err)
	require.Zero(t, count())
}
