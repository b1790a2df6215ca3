package catalog_test

import (
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/catalog"
)

// elsewhere are the metrics that others send and our collector does not.
func elsewhere(name string) bool {
	return strings.HasPrefix(name, "kube_") || strings.HasPrefix(name, "container_accelerator_") ||
		name == "container_cpu_load_average_10s"
}

func TestDerivationsNameKnownMetrics(t *testing.T) {
	for _, m := range catalog.HeapsterMetrics() {
		require.NotEmpty(t, m.Derivations, m.Name)
		for _, d := range m.Derivations {
			for _, name := range []string{d.Metric, d.Second} {
				if name == "" || elsewhere(name) {
					continue
				}
				if d.How == catalog.Share {
					_, ok := catalog.LookupHeapster(name)
					require.True(t, ok, "%s: %s", m.Name, name)
					continue
				}
				metric, ok := catalog.Lookup(name)
				require.True(t, ok, "%s: %s", m.Name, name)
				checkLabels(t, m, d, metric)
			}
		}
	}
}

func checkLabels(t *testing.T, m *catalog.HeapsterMetric, d catalog.Derivation, metric catalog.Metric) {
	t.Helper()
	for _, match := range d.Match {
		require.Contains(t, metric.Labels, match.Label, m.Name)
	}
	for _, label := range d.From {
		require.Contains(t, metric.Labels, label, m.Name)
	}
	if len(d.From) > 0 {
		require.Len(t, d.From, len(m.Labels), m.Name)
	}
}

func TestTwentyEightFiguresAreExported(t *testing.T) {
	var plain, labeled int
	for _, m := range catalog.HeapsterMetrics() {
		switch {
		case m.Exported && m.Labeled():
			labeled++
		case m.Exported:
			plain++
		}
	}
	require.Equal(t, 16, plain)
	require.Equal(t, 12, labeled)
}

func TestNamespaceAndClusterHaveSixFigures(t *testing.T) {
	for _, kind := range []catalog.ObjectKind{catalog.Namespace, catalog.Cluster} {
		var names []string
		for _, m := range catalog.HeapsterMetrics() {
			if len(m.For(kind)) > 0 {
				names = append(names, m.Name)
			}
		}
		require.ElementsMatch(t, []string{
			"cpu/usage_rate", "memory/usage", "cpu/request", "cpu/limit", "memory/request", "memory/limit",
		}, names, kind)
	}
}

func TestPromQLParses(t *testing.T) {
	p := parser.NewParser(parser.Options{})
	kinds := []catalog.ObjectKind{
		catalog.Cluster, catalog.Namespace, catalog.Node, catalog.Pod, catalog.PodContainer, catalog.SystemContainer,
	}
	for _, m := range catalog.HeapsterMetrics() {
		for _, kind := range kinds {
			expr, ok := m.PromQL(kind, catalog.Selector{"node": `a"b`}, "30s")
			require.Equal(t, len(m.For(kind)) > 0, ok, "%s of %s", m.Name, kind)
			if ok {
				_, err := p.ParseExpr(expr)
				require.NoError(t, err, expr)
			}
		}
	}
}

func TestPromQLOfCPURate(t *testing.T) {
	m, ok := catalog.LookupHeapster("cpu/usage_rate")
	require.True(t, ok)
	expr, ok := m.PromQL(catalog.PodContainer, catalog.Selector{"namespace": "shop", "pod": "web-1", "container": "nginx"}, "20s")
	require.True(t, ok)
	require.Equal(t, `1000 * sum by (namespace,pod,container) (irate(container_cpu_usage_seconds_total{`+
		`pod!="",container!="",container="nginx",namespace="shop",pod="web-1"}[20s]))`, expr)
}

func TestExtendedResourceRequests(t *testing.T) {
	m, ok := catalog.LookupHeapster("nvidia_com_gpu/request")
	require.True(t, ok)
	require.Equal(t, "nvidia_com_gpu/request", m.Name)
	for _, bad := range []string{"", "/request", "a/b/request", "cpu/usage_ratio"} {
		_, ok = catalog.LookupHeapster(bad)
		require.False(t, ok, bad)
	}
}
