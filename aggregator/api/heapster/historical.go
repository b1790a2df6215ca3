package heapster

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lubberline/lubberline/catalog"
)

func (a *API) historicalRoutes() []route {
	var all []route
	for _, l := range listPaths {
		all = append(all, newRoute(l.path, func(r *request) error { return a.pastNames(r, l.what, r.object(l.of)) }))
	}
	all = append(all, newRoute("pod-id/{pod-id}/containers",
		func(r *request) error { return a.pastNames(r, ContainerNames, r.object(catalog.Pod)) }))
	for _, o := range objectPaths {
		all = append(all, a.pastObject(o.path, o.kind)...)
	}
	all = append(all, a.pastObject("pod-id/{pod-id}/", catalog.Pod)...)
	all = append(all, a.pastObject("pod-id/{pod-id}/containers/{container...}/", catalog.PodContainer)...)
	for _, prefix := range []string{"namespaces/{namespace}/pod-list/{pods}/", "pod-id-list/{pod-ids}/"} {
		all = append(all,
			newRoute(prefix+"metrics/{metric...}", a.pastSeriesList),
			newRoute(prefix+"metrics-aggregated/{aggs}/{metric...}", a.pastAggregatedList))
	}
	return all
}

func (a *API) pastObject(path string, kind catalog.ObjectKind) []route {
	return []route{
		newRoute(path+"metrics", func(r *request) error { return a.pastNames(r, MetricNames, r.object(kind)) }),
		newRoute(path+"metrics/{metric...}", func(r *request) error { return a.pastSeries(r, r.object(kind)) }),
		newRoute(path+"metrics-aggregated/{aggs}/{metric...}",
			func(r *request) error { return a.pastAggregated(r, r.object(kind)) }),
	}
}

// pastNames lists what was seen in the range; start may be left out here and is
// then a day ago.
func (a *API) pastNames(r *request, what NameKind, of Object) error {
	start, err := r.moment("start", a.now().Add(-24*time.Hour))
	if err != nil {
		return err
	}
	end, err := r.moment("end", a.now())
	if err != nil {
		return err
	}
	names, err := a.historical.Names(r.Request.Context(), what, of, start, end)
	if err != nil {
		return err
	}
	if names == nil {
		names = []string{}
	}
	return pretty(r.Context, names)
}

// pastQuery is what a request for figures of the past asks.
func (a *API) pastQuery(r *request) (figure Figure, start, end time.Time, err error) {
	if figure, err = r.figure(); err == nil {
		start, end, err = r.historicalRange(a.now())
	}
	return figure, start, end, err
}

func (a *API) pastSeriesOf(r *request, of Object) ([]Point, Figure, error) {
	figure, start, end, err := a.pastQuery(r)
	if err != nil {
		return nil, figure, err
	}
	points, err := a.historical.Series(r.Request.Context(), of, figure, start, end)
	return points, figure, err
}

func (a *API) pastSeries(r *request, of Object) error {
	points, figure, err := a.pastSeriesOf(r, of)
	if err != nil {
		return err
	}
	if len(points) == 0 {
		return noResults(figure, of)
	}
	return pretty(r.Context, newSeries(points))
}

// noResults is what Heapster says when there is nothing; its status was 500.
func noResults(f Figure, of Object) error {
	return &failure{http.StatusNotFound, fmt.Sprintf("No results for metric %q describing %q", f.Metric, of)}
}

// pods are the objects of a list path, in its order.
func (r *request) pods() []Object {
	var all []Object
	if ids, ok := r.vars["pod-ids"]; ok {
		for id := range strings.SplitSeq(ids, ",") {
			all = append(all, Object{Kind: catalog.Pod, PodID: id})
		}
		return all
	}
	for name := range strings.SplitSeq(r.vars["pods"], ",") {
		all = append(all, Object{Kind: catalog.Pod, Namespace: r.vars["namespace"], Pod: name})
	}
	return all
}

func (a *API) pastSeriesList(r *request) error {
	answer := list[series]{Items: []series{}}
	for _, of := range r.pods() {
		points, _, err := a.pastSeriesOf(r, of)
		if err != nil {
			return err
		}
		answer.Items = append(answer.Items, newSeries(points))
	}
	return compact(r.Context, answer)
}

// aggregation reads what to compute.
func (a *API) aggregation(r *request) (Figure, Aggregation, error) {
	figure, start, end, err := a.pastQuery(r)
	q := Aggregation{Start: start, End: end}
	if err != nil {
		return figure, q, err
	}
	for name := range strings.SplitSeq(r.vars["aggs"], ",") {
		kind := AggregationKind(name)
		if !slices.Contains(aggregations, kind) {
			return figure, q, badRequest("Unknown aggregation %q", name)
		}
		if !slices.Contains(q.Want, kind) {
			q.Want = append(q.Want, kind)
		}
	}
	q.Bucket, err = bucketSize(r.Query("bucket"))
	if err == nil && q.Bucket > 0 && end.Sub(start)/q.Bucket > maxBuckets {
		err = badRequest("buckets of %s make more than %d of the range", q.Bucket, maxBuckets)
	}
	return figure, q, err
}

var aggregations = []AggregationKind{Average, Maximum, Minimum, Median, Count, Percentile50, Percentile95, Percentile99}

// maxBuckets bounds what one request may compute.
const maxBuckets = 11_000

// bucketSize reads "<int>{ms,s,m,h,d}"; empty is 0.
func bucketSize(given string) (time.Duration, error) {
	if given == "" {
		return 0, nil
	}
	for _, unit := range []struct {
		suffix string
		size   time.Duration
	}{{"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}} {
		digits, ok := strings.CutSuffix(given, unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n <= 0 || n > math.MaxInt64/int64(unit.size) {
			break
		}
		return time.Duration(n) * unit.size, nil
	}
	return 0, badRequest("unable to parse bucket size %q: want a number and ms, s, m, h or d", given)
}

func (a *API) pastAggregated(r *request, of Object) error {
	figure, q, err := a.aggregation(r)
	if err != nil {
		return err
	}
	buckets, err := a.historical.Aggregated(r.Request.Context(), of, figure, q)
	if err != nil {
		return err
	}
	if len(buckets) == 0 {
		return noResults(figure, of)
	}
	return pretty(r.Context, newAggregated(buckets, q.Bucket))
}

func (a *API) pastAggregatedList(r *request) error {
	figure, q, err := a.aggregation(r)
	if err != nil {
		return err
	}
	answer := list[aggregated]{Items: []aggregated{}}
	for _, of := range r.pods() {
		buckets, err := a.historical.Aggregated(r.Request.Context(), of, figure, q)
		if err != nil {
			return err
		}
		answer.Items = append(answer.Items, newAggregated(buckets, q.Bucket))
	}
	return compact(r.Context, answer)
}

// aggregated is the answer with buckets.
type aggregated struct {
	Buckets    []bucket `json:"buckets"`
	BucketSize int64    `json:"bucketSize"` // nanoseconds
}

type bucket struct {
	Timestamp   stamp             `json:"timestamp"`
	Count       *uint64           `json:"count,omitempty"`
	Average     *number           `json:"average,omitempty"`
	Maximum     *number           `json:"maximum,omitempty"`
	Minimum     *number           `json:"minimum,omitempty"`
	Median      *number           `json:"median,omitempty"`
	Percentiles map[string]number `json:"percentiles,omitempty"`
}

type number struct {
	Int   *int64   `json:"intValue,omitempty"`
	Float *float64 `json:"floatValue,omitempty"`
}

func newNumber(n Number) number {
	if n.IsFloat {
		return number{Float: &n.Float}
	}
	return number{Int: &n.Int}
}

func newAggregated(from []Bucket, size time.Duration) aggregated {
	a := aggregated{Buckets: []bucket{}, BucketSize: size.Nanoseconds()}
	for _, f := range from {
		b := bucket{Timestamp: stamp(f.Time), Count: f.Count}
		for kind, n := range f.Values {
			b.set(kind, newNumber(n))
		}
		a.Buckets = append(a.Buckets, b)
	}
	return a
}

func (b *bucket) set(kind AggregationKind, n number) {
	switch kind {
	case Average:
		b.Average = &n
	case Maximum:
		b.Maximum = &n
	case Minimum:
		b.Minimum = &n
	case Median:
		b.Median = &n
	default:
		if b.Percentiles == nil {
			b.Percentiles = map[string]number{}
		}
		b.Percentiles[strings.TrimSuffix(string(kind), "-perc")] = n
	}
}
