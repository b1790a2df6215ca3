package rules

import (
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// The examples of the document are read as a user's files would be.
func TestExamplesOfTheDocumentAreRight(t *testing.T) {
	text, err := os.ReadFile("../../docs/alert-rules.md")
	require.NoError(t, err)
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1)
	require.Len(t, examples, 3)
	var files []File
	for i, m := range examples {
		files = append(files, Parse(fmt.Sprintf("example %d", i+1), m[1]))
	}
	Lint(files)
	for _, f := range files {
		require.Empty(t, problems(f))
		require.NotEmpty(t, f.Groups)
	}
	count := 0
	for _, topic := range Standard() {
		count += len(topic.Rules)
	}
	require.Contains(t, string(text), fmt.Sprintf("a standard set of %d rules", count))
}
