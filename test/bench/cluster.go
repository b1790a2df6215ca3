package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

const clusterPods = 6000

// cluster runs the benchmark of the whole-cluster export, which feeds 200 nodes
// of 30 pods for a quarter of an hour of ticks and then asks.
func cluster(ctx context.Context, s *settings) error {
	s.report.title = fmt.Sprintf("metric-export of a whole cluster: 200 nodes, %d pods, full history", clusterPods)
	c := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkCluster$", "-benchtime", "10x", "./aggregator/api/heapster")
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	figures, err := benchFigures(string(out), "BenchmarkCluster")
	if err != nil {
		return err
	}
	r := s.report
	r.add(line{what: "GET /api/v1/metric-export", ours: figures["ns/op"] / 1e9, unit: "s", goal: 0.5, atMost: true})
	r.add(line{what: "  size", ours: figures["export-bytes"] / 1e6, unit: "MB"})
	r.add(line{what: "memory of the model", ours: figures["B/pod"] / 1024, unit: "KiB/pod", goal: 20, atMost: true})
	r.add(line{what: "taking one sample into the model", ours: figures["ns/sample"], unit: "ns"})
	r.add(line{what: "rolling up one tick", ours: figures["ms/tick"], unit: "ms"})
	return nil
}

// benchFigures reads the line of a benchmark, by unit.
func benchFigures(out, name string) (map[string]float64, error) {
	figures := map[string]float64{}
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if !strings.HasPrefix(line, name) || len(words) < 4 {
			continue
		}
		for i := 2; i+1 < len(words); i += 2 {
			v, err := strconv.ParseFloat(words[i], 64)
			if err != nil {
				return nil, fmt.Errorf("benchmark line %q: %w", line, err)
			}
			figures[words[i+1]] = v
		}
		return figures, nil
	}
	return nil, fmt.Errorf("no line of %s in %s", name, out)
}
