package influxdb

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/lubberline/lubberline/aggregator/api/heapster"
)

// aggregations are InfluxQL's functions, by Heapster's names. The column of the
// i-th is named so that the answer need not be in the order of the question.
func aggregation(kind heapster.AggregationKind, field string) (string, error) {
	switch kind {
	case heapster.Average:
		return "mean(" + field + ")", nil
	case heapster.Maximum:
		return "max(" + field + ")", nil
	case heapster.Minimum:
		return "min(" + field + ")", nil
	case heapster.Median:
		return "median(" + field + ")", nil
	case heapster.Count:
		return "count(" + field + ")", nil
	case heapster.Percentile50:
		return "percentile(" + field + ", 50)", nil
	case heapster.Percentile95:
		return "percentile(" + field + ", 95)", nil
	case heapster.Percentile99:
		return "percentile(" + field + ", 99)", nil
	default:
		return "", fmt.Errorf("influxdb: unknown aggregation %q", kind)
	}
}

// Aggregated implements heapster.History. Buckets lie on whole multiples of
// their length since the epoch, as InfluxDB cuts time; a single one starts at
// q.Start. A percentile is the smallest value that at least so many of the
// points do not exceed.
func (h *History) Aggregated(ctx context.Context, of heapster.Object, figure heapster.Figure, q heapster.Aggregation) ([]heapster.Bucket, error) {
	measurement, field := names(&h.options, figure.Metric)
	columns := make([]string, len(q.Want))
	for i, kind := range q.Want {
		call, err := aggregation(kind, quoteName(field))
		if err != nil {
			return nil, err
		}
		columns[i] = call + " AS " + quoteName(string(kind))
	}
	where := h.conditions(of) + " AND " + labelConditions(figure.Labels) + " AND " + within(">", q.Start, "<", q.End)
	statement := fmt.Sprintf("SELECT %s FROM %s WHERE %s", strings.Join(columns, ", "), quoteName(measurement), where)
	if q.Bucket > 0 {
		statement += fmt.Sprintf(" GROUP BY time(%dns) fill(none)", q.Bucket.Nanoseconds())
	}
	found, err := h.query(ctx, statement)
	if err != nil {
		return nil, err
	}
	buckets := []heapster.Bucket{}
	for _, s := range found {
		for _, row := range s.Values {
			b, err := bucket(figure.Metric, s.Columns, row)
			if err != nil {
				return nil, err
			}
			if q.Bucket == 0 {
				b.Time = q.Start
			}
			buckets = append(buckets, b)
		}
	}
	return buckets, h.known(figure.Metric, len(buckets))
}

func bucket(metric string, columns []string, row []any) (heapster.Bucket, error) {
	b := heapster.Bucket{Values: map[heapster.AggregationKind]heapster.Number{}}
	for i := 1; i < len(columns); i++ {
		kind := heapster.AggregationKind(columns[i])
		at, n, err := cell(metric, row, i)
		if err != nil {
			return b, err
		}
		b.Time = at
		if kind == heapster.Count {
			b.Count, err = count(row[i])
		} else if n != nil {
			b.Values[kind] = *n
		}
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

func count(v any) (*uint64, error) {
	text, ok := v.(json.Number)
	if !ok {
		return nil, nil
	}
	n, err := text.Int64()
	if err != nil || n < 0 {
		return nil, fmt.Errorf("influxdb: count %s is not a count", text)
	}
	c := uint64(n)
	return &c, nil
}
