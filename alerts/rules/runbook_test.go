package rules

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const runbooks = "../../docs/runbooks"

var (
	quotedQuery = regexp.MustCompile(`--data-urlencode 'query=([^']*)'`)
	ownCommand  = regexp.MustCompile("(?m)(?:^    |`)lubberline ([a-z-]+)")
)

// commands are those of the program that pages may name.
var commands = map[string]bool{
	"alerts": true, "doctor": true, "images": true, "join": true, "logs": true, "rolling-update": true, "token": true,
}

func TestEveryRuleHasARunbookAndEveryPageARule(t *testing.T) {
	pages, err := filepath.Glob(runbooks + "/*.md")
	require.NoError(t, err)
	without := map[string]bool{}
	for _, path := range pages {
		without[strings.TrimSuffix(filepath.Base(path), ".md")] = true
	}
	for _, topic := range Standard() {
		for _, r := range topic.Rules {
			require.True(t, without[r.Name], "%s has no page in docs/runbooks", r.Name)
			delete(without, r.Name)
			checkPage(t, r.Name)
		}
	}
	require.Empty(t, without, "pages without a rule")
}

// checkPage checks that a page has its parts, is short, and that its queries and
// commands exist.
func checkPage(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(runbooks, name+".md"))
	require.NoError(t, err)
	page := string(text)
	require.True(t, strings.HasPrefix(page, "# "+name+"\n\n"), name)
	for _, part := range []string{"\n## Look\n\n    ", "\n## Do\n\n- ", "\n## False alarm\n\n- "} {
		require.Contains(t, page, part, name)
	}
	require.LessOrEqual(t, strings.Count(page, "\n"), 30, "%s is too long", name)
	for _, m := range quotedQuery.FindAllStringSubmatch(page, -1) {
		_, err := promQL().ParseExpr(m[1])
		require.NoError(t, err, "%s: %s", name, m[1])
		for _, metric := range Metrics(m[1]) {
			requireServed(t, name, metric)
		}
	}
	for _, m := range ownCommand.FindAllStringSubmatch(page, -1) {
		require.True(t, commands[m[1]], "%s: no command lubberline %s", name, m[1])
	}
}
