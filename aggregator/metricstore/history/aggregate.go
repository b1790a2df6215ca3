package history

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/lubberline/lubberline/aggregator/api/heapster"
)

// ordered sorts points by time and keeps the first of each.
func ordered(points []heapster.Point) []heapster.Point {
	slices.SortStableFunc(points, func(a, b heapster.Point) int { return a.Time.Compare(b.Time) })
	return slices.CompactFunc(points, func(a, b heapster.Point) bool { return a.Time.Equal(b.Time) })
}

// Aggregated computes from the points of Series. Buckets are aligned to the
// epoch, as InfluxDB's are. It implements heapster.History.
func (h *History) Aggregated(ctx context.Context, of heapster.Object, f heapster.Figure, q heapster.Aggregation) ([]heapster.Bucket, error) {
	points, err := h.Series(ctx, of, f, q.Start, q.End)
	if err != nil {
		return nil, err
	}
	var buckets []heapster.Bucket
	for len(points) > 0 {
		at, n := q.Start, len(points)
		if q.Bucket > 0 {
			at = time.Unix(0, points[0].Time.UnixNano()/int64(q.Bucket)*int64(q.Bucket)).UTC()
			n = slices.IndexFunc(points, func(p heapster.Point) bool { return !p.Time.Before(at.Add(q.Bucket)) })
			if n < 0 {
				n = len(points)
			}
		}
		buckets = append(buckets, aggregate(at, points[:n], q.Want))
		points = points[n:]
	}
	return buckets, nil
}

// aggregate computes one bucket; there is at least one point.
func aggregate(at time.Time, points []heapster.Point, want []heapster.AggregationKind) heapster.Bucket {
	b := heapster.Bucket{Time: at}
	values := make([]float64, 0, len(points))
	for _, p := range points {
		if p.Value.IsFloat {
			values = append(values, p.Value.Float)
		} else {
			values = append(values, float64(p.Value.Int))
		}
	}
	slices.Sort(values)
	for _, kind := range want {
		if kind == heapster.Count {
			n := uint64(len(values))
			b.Count = &n
			continue
		}
		if b.Values == nil {
			b.Values = map[heapster.AggregationKind]heapster.Number{}
		}
		n := heapster.Number{IsFloat: true, Float: compute(kind, values)}
		if !points[0].Value.IsFloat {
			n = heapster.Number{Int: int64(math.Round(n.Float))}
		}
		b.Values[kind] = n
	}
	return b
}

// compute is one aggregation of sorted values.
func compute(kind heapster.AggregationKind, values []float64) float64 {
	switch kind {
	case heapster.Maximum:
		return values[len(values)-1]
	case heapster.Minimum:
		return values[0]
	case heapster.Median:
		half := len(values) / 2
		if len(values)%2 == 1 {
			return values[half]
		}
		return (values[half-1] + values[half]) / 2
	case heapster.Percentile50:
		return nearestRank(values, 50)
	case heapster.Percentile95:
		return nearestRank(values, 95)
	case heapster.Percentile99:
		return nearestRank(values, 99)
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// nearestRank is the percentile as InfluxQL has it.
func nearestRank(values []float64, percent float64) float64 {
	i := int(math.Floor(float64(len(values))*percent/100+0.5)) - 1
	return values[min(max(i, 0), len(values)-1)]
}
