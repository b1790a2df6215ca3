package ruletest

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheShippedRulesDoWhatTheirTestsWant(t *testing.T) {
	files, err := filepath.Glob("../testdata/*_test.yaml")
	require.NoError(t, err)
	users, err := filepath.Glob("../testdata/user/*_test.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range append(files, users...) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			require.NoError(t, Run(path))
		})
	}
}
