package lubberline

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	requirement = regexp.MustCompile(`(?m)^\t([^ \t]+\.[^ \t]+/?\S*) v\S+$`) // without "// indirect"
	dependency  = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*) \\|$")
)

// TestEveryDependencyHasItsReason compares docs/dependencies.md with what
// go.mod requires directly.
func TestEveryDependencyHasItsReason(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	var want []string
	for _, m := range requirement.FindAllStringSubmatch(string(mod), -1) {
		want = append(want, m[1])
	}
	require.Greater(t, len(want), 20)

	doc, err := os.ReadFile("docs/dependencies.md")
	require.NoError(t, err)
	var listed []string
	for _, m := range dependency.FindAllStringSubmatch(string(doc), -1) {
		listed = append(listed, m[1])
		require.NotEmpty(t, strings.TrimSpace(m[2]), "the reason for %s", m[1])
	}
	require.ElementsMatch(t, want, listed)
}
