package evaluate

import (
	"fmt"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// loader gives the manager groups that have been read already, in place of
// files.
type loader struct {
	parser parser.Parser

	mu    sync.Mutex
	files map[string][]rulefmt.RuleGroup // guarded by mu
}

func newLoader() *loader { return &loader{parser: parser.NewParser(parser.Options{})} }

// set replaces the groups and returns the names by which they are loaded.
func (l *loader) set(files []File) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files = make(map[string][]rulefmt.RuleGroup, len(files))
	names := make([]string, len(files))
	for i, f := range files {
		l.files[f.Name], names[i] = f.Groups, f.Name
	}
	return names
}

// Load returns the groups of a name.
func (l *loader) Load(name string, _ bool, _ model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	groups, ok := l.files[name]
	if !ok {
		return nil, []error{fmt.Errorf("rule file %s: not read", name)}
	}
	return &rulefmt.RuleGroups{Groups: groups}, nil
}

// Parse parses an expression.
func (l *loader) Parse(expr string) (parser.Expr, error) { return l.parser.ParseExpr(expr) }
