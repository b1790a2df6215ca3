package elasticsearch

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/logrecord"
)

// BenchmarkLogsAppend is the cost of a record up to the disk: rendering,
// packing, fsync, in chunks of 1,000.
func BenchmarkLogsAppend(b *testing.B) {
	o := LogsOptions{Options: Options{URLs: []string{"http://127.0.0.1:1"}, Dir: b.TempDir()}}
	s, err := NewLogs(o)
	require.NoError(b, err)
	defer s.Close()
	c := chunk("chunk", 1000)
	bytes := 0
	for _, r := range c.Records {
		bytes += len(r.Log)
	}
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, s.Append(b.Context(), []logrecord.Batch{c}))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
}
