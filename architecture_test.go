package lubberline

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/packages"
)

const module = "github.com/lubberline/lubberline/"

// forbidden says which imports, direct or not, a folder must not have, and
// why. It is the design's table of parts as a test.
var forbidden = []struct {
	folder string
	ban    []string
	why    string
}{
	{"catalog", []string{module}, "the catalog is what everything else is generated from"},
	{"collector", []string{
		module + "aggregator", module + "orchestrator", module + "up",
		"github.com/prometheus/prometheus/tsdb", "github.com/prometheus/prometheus/storage", "github.com/duckdb", "github.com/gin-gonic",
		"k8s.io/apiserver", "k8s.io/client-go", "go.etcd.io",
	}, "the collector runs on every node and must stay a small program"},
	{"cmd/lubberline-collector", []string{module + "aggregator", "github.com/prometheus/prometheus/tsdb", "github.com/duckdb"}, "it is the small node program"},
	{"aggregator", []string{module + "collector", module + "orchestrator"}, "anything that speaks the protocols may feed the aggregator"},
	{"orchestrator", []string{module + "collector", module + "aggregator", "k8s.io/kubernetes"}, "the monitoring works on any Kubernetes, and pods run without it"},
	{"orchestrator/scheduler/filter", []string{"k8s.io/client-go"}, "what a node must offer is a pure function"},
	{"alerts", []string{module + "collector", module + "aggregator", module + "orchestrator", "github.com/duckdb"}, "alerts are given a query engine and stores, and know none of them"},
	{"dashboards", []string{module + "collector", module + "aggregator", module + "orchestrator"}, "dashboards know the catalog and Grafana, not the stores"},
	{"spool", []string{module + "collector", module + "aggregator"}, "both sides spool"},
	{"forward", []string{module + "collector", module + "aggregator"}, "both sides speak it"},
}

// benches and tests may compare with anything.
func isProduct(path string) bool {
	return !strings.Contains(path, "/bench") && !strings.Contains(path, "/parity") && !strings.HasPrefix(path, module+"test/")
}

func TestNoPackageImportsWhatTheDesignForbids(t *testing.T) {
	roots, err := packages.Load(&packages.Config{Mode: packages.NeedName | packages.NeedImports | packages.NeedDeps}, "./...")
	require.NoError(t, err)
	require.Zero(t, packages.PrintErrors(roots))
	require.Greater(t, len(roots), 10)
	for _, root := range roots {
		for _, rule := range forbidden {
			if isProduct(root.PkgPath) && within(root.PkgPath, module+rule.folder) {
				checkImports(t, root, rule.folder, rule.ban, rule.why)
			}
		}
	}
}

func within(path, prefix string) bool {
	return path == strings.TrimSuffix(prefix, "/") || strings.HasPrefix(path, strings.TrimSuffix(prefix, "/")+"/")
}

func checkImports(t *testing.T, root *packages.Package, folder string, ban []string, why string) {
	packages.Visit([]*packages.Package{root}, func(p *packages.Package) bool {
		for _, banned := range ban {
			if p.PkgPath != root.PkgPath && within(p.PkgPath, banned) && !within(p.PkgPath, module+folder) {
				t.Errorf("%s imports %s: forbidden below %s/, because %s", root.PkgPath, p.PkgPath, folder, why)
			}
		}
		return true
	}, nil)
}
