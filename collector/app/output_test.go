package app

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func TestMetricsOfOtherPartsAreShippedBesideOurOwn(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "lubberline_of_another_part"}))
	cfg := DefaultConfig()
	cfg.Node, cfg.HTTP, cfg.Forward.Listen, cfg.Runtimes, cfg.Logs.Containers = "n1", "", "", RuntimesConfig{}, false
	a, err := New(Options{Config: cfg, DataDir: t.TempDir(), Metrics: registry, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.group.Cleanups()) })

	shipped, err := a.shipped().Gather()
	require.NoError(t, err)
	var names []string
	for _, family := range shipped {
		names = append(names, family.GetName())
	}
	require.Subset(t, names, []string{"lubberline_of_another_part", "process_start_time_seconds"})
}
