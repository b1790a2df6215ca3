package remotewrite_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lubberline/lubberline/aggregator/metricstore"
	"github.com/lubberline/lubberline/aggregator/receive/remotewrite"
	"github.com/lubberline/lubberline/aggregator/rollup"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Now().Truncate(time.Second)

// seen collects what the observer is told.
type seen struct{ samples []rollup.Sample }

func (s *seen) Observe(b []rollup.Sample) { s.samples = append(s.samples, b...) }

type rig struct {
	store   *metricstore.Store
	handler *remotewrite.Handler
	seen    *seen
	reg     *prometheus.Registry
}

func newRig(t testing.TB, limits remotewrite.Limits) *rig {
	t.Helper()
	store, err := metricstore.Open(metricstore.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	r := &rig{store: store, seen: &seen{}, reg: prometheus.NewRegistry()}
	r.handler, err = remotewrite.New(remotewrite.Options{Store: store, Observer: r.seen, Limits: limits, Registerer: r.reg})
	require.NoError(t, err)
	return r
}

func (r *rig) post(body []byte, proto string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/api/v1/write", bytes.NewReader(body))
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", "application/x-protobuf"+proto)
	for _, f := range change {
		f(req)
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	return w
}

// values reads back all samples of a metric.
func (r *rig) values(t *testing.T, name string) map[string][]float64 {
	t.Helper()
	q, err := r.store.Querier(0, math.MaxInt64)
	require.NoError(t, err)
	defer q.Close()
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", name))
	got := map[string][]float64{}
	for set.Next() {
		it := set.At().Iterator(nil)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			if kind == chunkenc.ValHistogram {
				_, h := it.AtHistogram(nil)
				got[set.At().Labels().String()] = append(got[set.At().Labels().String()], float64(h.Count))
				continue
			}
			_, v := it.At()
			got[set.At().Labels().String()] = append(got[set.At().Labels().String()], v)
		}
	}
	require.NoError(t, set.Err())
	return got
}

func pairs(kv ...string) []prompb.Label {
	var l []prompb.Label
	for i := 0; i < len(kv); i += 2 {
		l = append(l, prompb.Label{Name: kv[i], Value: kv[i+1]})
	}
	return l
}

func encode1(t testing.TB, series ...prompb.TimeSeries) []byte {
	t.Helper()
	raw, err := (&prompb.WriteRequest{Timeseries: series}).Marshal()
	require.NoError(t, err)
	return snappy.Encode(nil, raw)
}

func at(seconds int, v float64) prompb.Sample {
	return prompb.Sample{Timestamp: now.Add(time.Duration(seconds) * time.Second).UnixMilli(), Value: v}
}

func TestVersionOneIsStoredAndObserved(t *testing.T) {
	r := newRig(t, remotewrite.Limits{})
	w := r.post(encode1(t, prompb.TimeSeries{
		Labels: pairs("pod", "web", "__name__", "m", "image", ""), Samples: []prompb.Sample{at(0, 1), at(1, 2)},
	}), "")
	require.Equal(t, http.StatusNoContent, w.Code, w.Body)
	require.Equal(t, map[string][]float64{`{__name__="m", pod="web"}`: {1, 2}}, r.values(t, "m"))
	require.Len(t, r.seen.samples, 2)
	require.Equal(t, r.seen.samples[0].Ref, r.seen.samples[1].Ref)
	require.Equal(t, "web", r.seen.samples[1].Labels.Get("pod"))

	r.post(encode1(t, prompb.TimeSeries{Labels: pairs("__name__", "m", "pod", "web"), Samples: []prompb.Sample{at(2, 3)}}), "")
	require.Equal(t, r.seen.samples[0].Ref, r.seen.samples[2].Ref)
}

func TestVersionTwoIsStoredAndCounted(t *testing.T) {
	r := newRig(t, remotewrite.Limits{})
	symbols := writev2.NewSymbolTable()
	refs := symbols.SymbolizeLabels(labels.FromStrings("__name__", "m", "pod", "web"), nil)
	hrefs := symbols.SymbolizeLabels(labels.FromStrings("__name__", "h"), nil)
	h := &histogram.Histogram{Count: 3, Sum: 6, Schema: 0, PositiveSpans: []histogram.Span{{Offset: 0, Length: 1}}, PositiveBuckets: []int64{3}}
	raw, err := (&writev2.Request{Symbols: symbols.Symbols(), Timeseries: []writev2.TimeSeries{
		{LabelsRefs: refs, Samples: []writev2.Sample{{Value: 7, Timestamp: now.UnixMilli()}}},
		{LabelsRefs: hrefs, Histograms: []writev2.Histogram{writev2.FromIntHistogram(0, now.UnixMilli(), h)}},
	}}).Marshal()
	require.NoError(t, err)
	w := r.post(snappy.Encode(nil, raw), ";proto=io.prometheus.write.v2.Request")
	require.Equal(t, http.StatusNoContent, w.Code, w.Body)
	require.Equal(t, "1", w.Header().Get("X-Prometheus-Remote-Write-Samples-Written"))
	require.Equal(t, "1", w.Header().Get("X-Prometheus-Remote-Write-Histograms-Written"))
	require.Equal(t, map[string][]float64{`{__name__="m", pod="web"}`: {7}}, r.values(t, "m"))
	require.Equal(t, map[string][]float64{`{__name__="h"}`: {3}}, r.values(t, "h"))
}

func TestWhatCanNeverBeStoredIsNoError(t *testing.T) {
	r := newRig(t, remotewrite.Limits{})
	l := pairs("__name__", "m")
	require.Equal(t, http.StatusNoContent, r.post(encode1(t, prompb.TimeSeries{Labels: l, Samples: []prompb.Sample{at(0, 1)}}), "").Code)
	w := r.post(encode1(t,
		prompb.TimeSeries{Labels: l, Samples: []prompb.Sample{at(0, 9), at(-7200, 1), at(3600, 1), at(0, 1), at(5, 2)}},
	), "")
	require.Equal(t, http.StatusNoContent, w.Code, w.Body)
	require.Equal(t, map[string][]float64{`{__name__="m"}`: {1, 2}}, r.values(t, "m"))
	require.NoError(t, testutil.GatherAndCompare(r.reg, strings.NewReader(`
# HELP lubberline_remotewrite_samples_dropped_total Samples received and not stored, by reason.
# TYPE lubberline_remotewrite_samples_dropped_total counter
lubberline_remotewrite_samples_dropped_total{reason="duplicate"} 1
lubberline_remotewrite_samples_dropped_total{reason="malformed"} 0
lubberline_remotewrite_samples_dropped_total{reason="out_of_order"} 0
lubberline_remotewrite_samples_dropped_total{reason="too_new"} 1
lubberline_remotewrite_samples_dropped_total{reason="too_old"} 1
`), "lubberline_remotewrite_samples_dropped_total"))
}

func TestMalformedSeriesIsNamedAndTheRestIsStored(t *testing.T) {
	good := prompb.TimeSeries{Labels: pairs("__name__", "m"), Samples: []prompb.Sample{at(0, 1)}}
	for name, c := range map[string]struct {
		labels []prompb.Label
		says   string
	}{
		"no name":    {pairs("pod", "x"), "no __name__"},
		"twice":      {pairs("__name__", "n", "a", "1", "a", "2"), `"a" stands twice`},
		"utf-8":      {pairs("__name__", "n", "a", "\xff"), "not UTF-8"},
		"long value": {pairs("__name__", "n", "a", strings.Repeat("x", 101)), "101 bytes"},
		"long name":  {pairs("__name__", "n", strings.Repeat("x", 51), "1"), "51 bytes"},
		"many":       {pairs("__name__", "n", "a", "1", "b", "1", "c", "1", "d", "1"), "5 labels"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, remotewrite.Limits{Labels: 4, NameBytes: 50, ValueBytes: 100})
			w := r.post(encode1(t, prompb.TimeSeries{Labels: c.labels, Samples: []prompb.Sample{at(0, 5)}}, good), "")
			require.Equal(t, http.StatusBadRequest, w.Code)
			require.Contains(t, w.Body.String(), c.says)
			require.Contains(t, w.Body.String(), "series 0")
			require.Equal(t, map[string][]float64{`{__name__="m"}`: {1}}, r.values(t, "m"))
			require.Len(t, r.seen.samples, 1)
		})
	}
}

func TestNodesSendOnlyTheirOwn(t *testing.T) {
	r := newRig(t, remotewrite.Limits{})
	as := func(node string) func(*http.Request) {
		return func(req *http.Request) { req.Header.Set(remotewrite.NodeHeader, node) }
	}
	one := prompb.TimeSeries{Labels: pairs("__name__", "m", "node", "one"), Samples: []prompb.Sample{at(0, 1)}}
	two := prompb.TimeSeries{Labels: pairs("__name__", "m", "node", "two"), Samples: []prompb.Sample{at(0, 2)}}
	none := prompb.TimeSeries{Labels: pairs("__name__", "m"), Samples: []prompb.Sample{at(0, 3)}}
	w := r.post(encode1(t, one, two, none), "", as("one"))
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Contains(t, w.Body.String(), `1 of 3 series are malformed, the others are stored; the first: series 1: label node is "two", but its sender is node "one"`)
	require.Equal(t, map[string][]float64{`{__name__="m", node="one"}`: {1}, `{__name__="m"}`: {3}}, r.values(t, "m"))
}

func TestRefusals(t *testing.T) {
	ok := encode1(t, prompb.TimeSeries{Labels: pairs("__name__", "m"), Samples: []prompb.Sample{at(0, 1)}})
	bomb := append(binary.AppendUvarint(nil, 1<<30), ok[1:]...)
	lie := append(binary.AppendUvarint(nil, 1<<19), ok[1:]...)
	v2proto := ";proto=io.prometheus.write.v2.Request"
	badRef, err := (&writev2.Request{Symbols: []string{"", "a"}, Timeseries: []writev2.TimeSeries{{LabelsRefs: []uint32{1, 9}}}}).Marshal()
	require.NoError(t, err)
	header := func(k, v string) func(*http.Request) { return func(r *http.Request) { r.Header.Set(k, v) } }
	for name, c := range map[string]struct {
		body   []byte
		proto  string
		change func(*http.Request)
		status int
		says   string
	}{
		"get":         {ok, "", func(r *http.Request) { r.Method = http.MethodGet }, 405, "POST"},
		"json":        {ok, "", header("Content-Type", "application/json"), 415, "application/json"},
		"message":     {ok, ";proto=x.Y", nil, 415, "x.Y"},
		"gzip":        {ok, "", header("Content-Encoding", "gzip"), 415, "gzip"},
		"large":       {bytes.Repeat([]byte("x"), 2000), "", nil, 413, "1000 bytes"},
		"bomb":        {bomb, "", nil, 413, "1073741824"},
		"lie":         {lie, "", nil, 400, "cannot hold"},
		"not snappy":  {[]byte("\xff\xff\xff"), "", nil, 400, "snappy"},
		"not message": {snappy.Encode(nil, []byte("\x0a\xff")), "", nil, 400, "decode message"},
		"symbol":      {snappy.Encode(nil, badRef), v2proto, nil, 400, "label reference 9"},
		"v1 as v2":    {snappy.Encode(nil, []byte{0x2a, 3, 0x0a, 1, 0x80}), v2proto, nil, 400, "series 0"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, remotewrite.Limits{BodyBytes: 1000, DecodedBytes: 1 << 20})
			w := r.post(c.body, c.proto, func(r *http.Request) {
				if c.change != nil {
					c.change(r)
				}
			})
			require.Equal(t, c.status, w.Code, w.Body)
			require.Contains(t, w.Body.String(), c.says)
			require.Empty(t, r.values(t, "m"))
			require.Empty(t, r.seen.samples)
		})
	}
}

func TestTooManySeriesStoresNothing(t *testing.T) {
	r := newRig(t, remotewrite.Limits{Series: 1})
	one := prompb.TimeSeries{Labels: pairs("__name__", "m"), Samples: []prompb.Sample{at(0, 1)}}
	w := r.post(encode1(t, one, one), "")
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	require.Empty(t, r.values(t, "m"))
}

// broken is a store that cannot commit.
type broken struct{}

func (broken) Appender(context.Context) storage.Appender { return brokenAppender{} }

type brokenAppender struct{ storage.Appender }

func (brokenAppender) Append(storage.SeriesRef, labels.Labels, int64, float64) (storage.SeriesRef, error) {
	return 1, nil
}
func (brokenAppender) Commit() error { return fmt.Errorf("commit: %w", metricstore.ErrDiskFull) }

func TestStoreTroubleAsksToRetry(t *testing.T) {
	s := &seen{}
	h, err := remotewrite.New(remotewrite.Options{Store: broken{}, Observer: s})
	require.NoError(t, err)
	r := &rig{handler: h}
	w := r.post(encode1(t, prompb.TimeSeries{Labels: pairs("__name__", "m"), Samples: []prompb.Sample{at(0, 1)}}), "")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Contains(t, w.Body.String(), "disk full")
	require.NotEmpty(t, w.Header().Get("Retry-After"))
	require.Empty(t, s.samples)
}

func TestBrokenBody(t *testing.T) {
	r := newRig(t, remotewrite.Limits{})
	w := r.post(nil, "", func(r *http.Request) { r.Body = failing{} })
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Contains(t, w.Body.String(), "line cut")
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("line cut") }
func (failing) Close() error             { return nil }
