package logging

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQuiet(t *testing.T) {
	var out bytes.Buffer
	log := Quiet(New(&out, slog.LevelInfo, nil)).With("a", 1)
	log.Info("a step")
	require.Empty(t, out.String())
	log.Warn("trouble")
	require.Contains(t, out.String(), "level=WARN msg=trouble a=1")
}
