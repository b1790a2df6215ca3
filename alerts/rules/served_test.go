package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/alerts/logseries"
	"github.com/lubberline/lubberline/catalog"
)

// libraries' metrics of themselves that rules read; the package that registers
// each is a dependency.
var ofLibraries = map[string]bool{
	"prometheus_rule_evaluation_failures_total": true, // prometheus/rules
	"alertmanager_notifications_failed_total":   true, // alertmanager/notify
}

func TestRulesReadOnlyWhatIsServed(t *testing.T) {
	for _, topic := range Standard() {
		for _, r := range topic.Rules {
			for _, metric := range Metrics(r.Query()) {
				requireServed(t, r.Name, metric)
			}
		}
	}
}

// requireServed fails for a metric that neither the catalog nor a log series nor
// the source of one of our packages has.
func requireServed(t *testing.T, who, metric string) {
	t.Helper()
	if _, ok := catalog.Lookup(metric); ok || metric == "up" || ofLibraries[metric] || metric == logseries.Standard()[0].Record {
		return
	}
	require.True(t, inSource(t, metric), "%s reads %q, which nothing makes", who, metric)
}

// literals are the string constants of each package of ours that begin a metric's
// name or end one.
var literals = sync.OnceValues(func() (map[string]map[string]bool, error) {
	all := map[string]map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "testdata" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "alerts/rules/") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil //nolint:nilerr // somebody is writing it
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil && len(text) < 100 {
					folder := filepath.Dir(path)
					if all[folder] == nil {
						all[folder] = map[string]bool{}
					}
					all[folder][text] = true
				}
			}
			return true
		})
		return nil
	})
	return all, err
})

// inSource reports a package that has the name whole, or in two parts that meet at
// an underscore.
func inSource(t *testing.T, metric string) bool {
	t.Helper()
	packages, err := literals()
	require.NoError(t, err)
	for _, texts := range packages {
		if texts[metric] {
			return true
		}
		for i, c := range metric {
			if c == '_' && texts[metric[:i+1]] && texts[metric[i+1:]] {
				return true
			}
		}
	}
	return false
}
