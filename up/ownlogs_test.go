package up

import (
	"io"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	aggregator "github.com/lubberline/lubberline/aggregator/app"
	collector "github.com/lubberline/lubberline/collector/app"
	"github.com/lubberline/lubberline/logging"
)

// TestOwnRecordsPassAnInputWithAKey: whoever else posts needs the key; our own
// client does not know how, and has a socket of its own.
func TestOwnRecordsPassAnInputWithAKey(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	cfg := aggregator.DefaultConfig()
	cfg.HTTP, cfg.Forward.Listen = "127.0.0.1:0", "127.0.0.1:0"
	a, err := aggregator.New(t.Context(), aggregator.Options{Config: cfg, DataDir: t.TempDir(), Logger: quiet})
	require.NoError(t, err)
	running(t, a.Run)
	c := &client{http: http.DefaultClient, base: "http://" + a.HTTPAddr().String()}

	side := collector.DefaultConfig()
	side.Node, side.HTTP, side.Runtimes, side.Logs.Containers = "worker-1", "", collector.RuntimesConfig{}, false
	side.Forward.Listen, side.Forward.SharedKeyFile = "127.0.0.1:0", secretFile(t, rightKey)
	side.LogOutput.Address = a.ForwardAddr().String()
	col, err := collector.New(collector.Options{Config: side, DataDir: t.TempDir(), Logger: quiet})
	require.NoError(t, err)
	running(t, col.Run)

	pipeline := logging.NewPipeline("worker-1")
	require.NoError(t, pipeline.Start(col.OwnLogs()))
	running(t, pipeline.Run)
	logging.Component(logging.New(io.Discard, slog.LevelInfo, pipeline), "helm").Info("all hands")
	require.Eventually(t, func() bool { return slices.Contains(c.lines(t), "all hands") }, 30*time.Second, 20*time.Millisecond)
}
