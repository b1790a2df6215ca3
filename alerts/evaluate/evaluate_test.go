package evaluate

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/stretchr/testify/require"
)

// TestNoConditionHoldsElsewhere: while another one has the figures nothing is
// asked, so that nothing is missed.
func TestNoConditionHoldsElsewhere(t *testing.T) {
	active := false
	q := whenActive(func() bool { return active }, func(context.Context, string, time.Time) (promql.Vector, error) {
		return promql.Vector{{F: 1}}, nil
	})
	found, err := q(t.Context(), "absent(up)", time.Now())
	require.NoError(t, err)
	require.Empty(t, found)
	active = true
	found, err = q(t.Context(), "absent(up)", time.Now())
	require.NoError(t, err)
	require.Len(t, found, 1)
}
