package exposition

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"compress/gzip"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/collector/reading"
)

func parse(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	require.NoError(t, err)
	return families
}

func TestMetricsGolden(t *testing.T) {
	own := prometheus.NewRegistry()
	own.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "lubberline_test_gauge", Help: "One of our own."}))
	_, mux := serve(t, Options{Containers: &containers{tick, fixture()}, Machine: fixtureMachine(), Own: own})
	for range 2 { // the second answer comes from the cache
		w := get(t, mux, "/metrics")
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, textType, w.Header().Get("Content-Type"))
		golden(t, "metrics.txt", w.Body.String())
	}
	families := parse(t, get(t, mux, "/metrics").Body.String())
	for name, family := range families {
		if m, ok := catalog.Lookup(name); ok {
			require.Equal(t, m.Help, family.GetHelp())
			require.Equal(t, string(m.Kind), strings.ToLower(family.GetType().String()))
		} else {
			require.Equal(t, "lubberline_test_gauge", name, "not in the catalog")
		}
	}
}

func TestContainerLabelsAndTimes(t *testing.T) {
	_, mux := serve(t, Options{Containers: &containers{tick, fixture()}, Machine: fixtureMachine()})
	families := parse(t, get(t, mux, "/metrics/cadvisor").Body.String())
	require.NotContains(t, families, "node_boot_time_seconds")
	info := families["lubberline_container_info"].GetMetric()[0]
	labels := make(map[string]string)
	for _, l := range info.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	require.Equal(t, "com.docker.compose.project:shop,note:a\\b\nc", labels["labels"])
	require.Equal(t, `nginx:"1"`, labels["image"])
	require.Equal(t, int64(1_764_072_000_001), info.GetTimestampMs())
	usage := families["container_cpu_usage_seconds_total"]
	require.Len(t, usage.GetMetric(), 7)
	require.InDelta(t, 12.345678901, usage.GetMetric()[2].GetCounter().GetValue(), 1e-12)
}

func TestEveryFamilyOfAFullSampleIsInTheCatalog(t *testing.T) {
	_, mux := serve(t, Options{Containers: &containers{tick, many(2)}})
	families := parse(t, get(t, mux, "/metrics/cadvisor").Body.String())
	n := 0
	for _, m := range catalog.Metrics() {
		if strings.HasPrefix(m.Name, "container_") || m.Name == "lubberline_container_info" {
			require.Contains(t, families, m.Name)
			n++
		}
	}
	require.Len(t, families, n)
}

func TestAnewIdentityChangesTheLabels(t *testing.T) {
	source := &containers{tick, fixture()}
	e, mux := serve(t, Options{Containers: source})
	require.Contains(t, get(t, mux, "/metrics").Body.String(), `{id="/docker/ddd"}`)
	source.list[6].Identity = &reading.Identity{Name: "late", ContainerID: "ddd"}
	require.Contains(t, get(t, mux, "/metrics").Body.String(), `{id="/docker/ddd",name="late"}`)
	require.Len(t, e.text.cache, 7)
	source.list = source.list[:2]
	require.NotContains(t, get(t, mux, "/metrics").Body.String(), "/docker/ddd")
	require.Len(t, e.text.cache, 2)
}

func TestGzip(t *testing.T) {
	_, mux := serve(t, Options{Containers: &containers{tick, fixture()}})
	plain := get(t, mux, "/metrics").Body.String()
	f := func(accept string, compressed bool) {
		t.Helper()
		w := get(t, mux, "/metrics", "Accept-Encoding", accept)
		if !compressed {
			require.Empty(t, w.Header().Get("Content-Encoding"))
			require.Equal(t, plain, w.Body.String())
			return
		}
		require.Equal(t, "gzip", w.Header().Get("Content-Encoding"))
		z, err := gzip.NewReader(w.Body)
		require.NoError(t, err)
		text, err := io.ReadAll(z)
		require.NoError(t, err)
		require.Equal(t, plain, string(text))
	}
	f("gzip", true)
	f("deflate, gzip;q=0.5", true)
	f("gzip; q=1", true)
	f("", false)
	f("identity", false)
	f("gzip;q=0", false)
	f("gzip;q=0.0, br", false)
}

func TestResourceGolden(t *testing.T) {
	source := &containers{tick, fixture()}
	_, mux := serve(t, Options{Containers: source, Machine: fixtureMachine()})
	text := get(t, mux, "/metrics/resource").Body.String()
	golden(t, "resource.txt", text)
	parse(t, text)

	source.list = source.list[1:] // no root cgroup: /proc stands in
	families := parse(t, get(t, mux, "/metrics/resource").Body.String())
	require.InDelta(t, 2.5, families["node_cpu_usage_seconds_total"].GetMetric()[0].GetCounter().GetValue(), 0)
	require.InDelta(t, 4000, families["node_memory_working_set_bytes"].GetMetric()[0].GetGauge().GetValue(), 0)

	_, mux = serve(t, Options{Containers: &containers{}})
	require.Contains(t, get(t, mux, "/metrics/resource").Body.String(), "\nresource_scrape_error 1\n")
}

func TestSummaryGolden(t *testing.T) {
	source := &containers{tick, fixture()}
	e, mux := serve(t, Options{Containers: source, Machine: fixtureMachine()})
	e.Observe(tick, source.list)
	for _, c := range source.list { // half a core for a second
		usage, _ := c.Sample.Get(reading.CPUUsage)
		c.Sample.Put(reading.CPUUsage, usage+second/2)
		c.Sample.Time += int64(second)
	}
	e.Observe(tick.Add(time.Second), source.list)
	w := get(t, mux, "/stats/summary")
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	var s summary
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &s))
	indented, err := json.MarshalIndent(s, "", "  ")
	require.NoError(t, err)
	golden(t, "summary.json", string(indented)+"\n")
	require.Equal(t, uint64(500_000_000), *s.Node.CPU.UsageNanoCores)
}

func TestRatesNeedTwoSamplesAndNoReset(t *testing.T) {
	list := fixture()[:1]
	r := newRates()
	set := func(at int64, usage uint64) {
		list[0].Sample.Time = at
		list[0].Sample.Put(reading.CPUUsage, usage)
		r.observe(list)
	}
	f := func(want uint64, ok bool) {
		t.Helper()
		rate, got := r.nanoCores(list[0])
		require.Equal(t, ok, got)
		require.Equal(t, want, rate)
	}
	f(0, false)
	set(1e9, 1e9)
	f(0, false)
	set(3e9, 2e9)
	f(5e8, true)
	set(3e9, 9e9) // the same sample again
	f(5e8, true)
	set(4e9, 1) // the counter began anew
	f(0, false)
	set(5e9, 1e9+1)
	f(1e9, true)
	r.observe(nil)
	require.Empty(t, r.pairs)
}

func TestReadyFromTheFirstTickOn(t *testing.T) {
	source := &containers{}
	_, mux := serve(t, Options{Containers: source})
	require.Equal(t, http.StatusServiceUnavailable, get(t, mux, "/-/ready").Code)
	require.Equal(t, http.StatusServiceUnavailable, get(t, mux, "/stats/summary").Code)
	require.Equal(t, http.StatusOK, get(t, mux, "/healthz").Code)
	require.Equal(t, http.StatusOK, get(t, mux, "/-/healthy").Code)
	source.tick = tick
	require.Equal(t, http.StatusOK, get(t, mux, "/-/ready").Code)
	require.Contains(t, get(t, mux, "/stats/summary").Body.String(), `"pods":[]`)
	require.Equal(t, http.StatusNotFound, get(t, mux, "/debug/pprof/").Code)
}

func TestProfilingHasItsOwnMux(t *testing.T) {
	mux := http.NewServeMux()
	RegisterProfiling(mux)
	require.Equal(t, http.StatusOK, get(t, mux, "/debug/pprof/").Code)
}

func TestAContainerSourceIsNeeded(t *testing.T) {
	_, err := New(Options{})
	require.ErrorContains(t, err, "no source of containers")
}

func TestOwnMetricsAreWellNamed(t *testing.T) {
	registry := prometheus.NewRegistry()
	_, mux := serve(t, Options{Containers: &containers{}, Registerer: registry})
	get(t, mux, "/metrics")
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func BenchmarkMetrics200(b *testing.B) {
	for _, encoding := range []string{"identity", "gzip"} {
		b.Run(encoding, func(b *testing.B) {
			_, mux := serve(b, Options{Containers: &containers{tick, many(200)}})
			b.ReportAllocs()
			for b.Loop() {
				b.SetBytes(int64(get(b, mux, "/metrics", "Accept-Encoding", encoding).Body.Len()))
			}
		})
	}
}
