package logstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/logrecord"
)

// TestRest: after a round without writing the engine keeps little in memory, has
// its old limit, and goes on.
func TestRest(t *testing.T) {
	s, err := Open(Options{Dir: t.TempDir(), Now: at(noon)})
	require.NoError(t, err)
	defer s.Close()
	setting := func() (limit string) {
		require.NoError(t, s.engine.db.QueryRow("SELECT current_setting('memory_limit')").Scan(&limit))
		return limit
	}
	before := setting()
	const n = 150_000
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{batch("a", noon.Add(-time.Hour), n)}))
	require.Equal(t, n, count(t, s))

	s.maintain(t.Context())
	require.False(t, s.resting, "written since the last round")
	s.maintain(t.Context())
	require.True(t, s.resting)
	require.Equal(t, before, setting())
	var kept int64
	require.NoError(t, s.engine.db.QueryRow("SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory()").Scan(&kept))
	require.LessOrEqual(t, kept, int64(restingMemory))

	require.Equal(t, n, count(t, s))
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{batch("b", noon, 10)}))
	s.maintain(t.Context())
	require.False(t, s.resting)
	require.Equal(t, n+10, count(t, s))
}
