package rules

import (
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
)

func TestGeneratedFilesAreRuleFiles(t *testing.T) {
	files, err := PrometheusFiles(DefaultOptions())
	require.NoError(t, err)
	for name, text := range files {
		groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), promslog.NewNopLogger())
		require.Empty(t, errs, name)
		require.Len(t, groups.Groups, 1, name)
	}
}
