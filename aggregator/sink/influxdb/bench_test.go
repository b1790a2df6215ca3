package influxdb

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkEncode is the cost of a batch of 1,000 containers, of 5,009 points.
func BenchmarkEncode(b *testing.B) {
	o := Options{URL: "http://127.0.0.1:1", Database: "k8s"}
	require.NoError(b, o.complete())
	batch := testBatch(b, testTime, 1000, 1)
	points := 0
	for b.Loop() {
		points = 0
		for _, text := range encode(&o, batch) {
			points += lines(text)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(points), "ns/point")
}
