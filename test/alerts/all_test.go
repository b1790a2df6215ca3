package alerts

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/alerts/rules"
)

// withoutCause are rules that no test of this folder fires, and why.
var withoutCause = map[string]string{
	"ControllerPanics": "no input is known that makes a controller panic",
}

// TestEveryRuleHasACause: a rule that is new is fired by something real, or is
// said here to be not.
func TestEveryRuleHasACause(t *testing.T) {
	files, err := filepath.Glob("*_causes_test.go")
	require.NoError(t, err)
	var text []byte
	for _, path := range append(files, "causes_test.go") {
		one, err := os.ReadFile(path)
		require.NoError(t, err)
		text = append(text, one...)
	}
	for _, g := range rules.Groups(rules.Options{}) {
		for _, r := range g.Rules {
			caused := regexp.MustCompile(`\b` + r.Alert + `\b`).Match(text)
			require.NotEqual(t, caused, withoutCause[r.Alert] != "", r.Alert)
		}
	}
}
