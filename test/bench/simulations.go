package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// simulationTests are the tests that drive a part through random runs. Each
// tells how many by an attribute.
const simulationTests = "^(TestSimulation|TestRandom.*)$"

// simulations runs the simulation tests and counts their runs.
func simulations(ctx context.Context, s *settings) error {
	s.report.title = "Simulations: random runs of a part, in each of which every invariant held"
	packages, err := simulated(ctx)
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "go", append([]string{"test", "-count=1", "-json", "-run", simulationTests}, packages...)...)
	out, err := c.Output()
	if err != nil {
		return fmt.Errorf("%w: %.3000s", err, failures(out))
	}
	sum := 0
	for lines := json.NewDecoder(strings.NewReader(string(out))); ; {
		var event testEvent
		if err := lines.Decode(&event); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if event.Action != "attr" || event.Key != "runs" {
			continue
		}
		runs, err := strconv.Atoi(event.Value)
		if err != nil {
			return fmt.Errorf("runs of %s: %w", event.Package, err)
		}
		sum += runs
		s.report.add(line{what: strings.TrimPrefix(event.Package, "github.com/lubberline/lubberline/"), ours: float64(runs), unit: "runs"})
	}
	s.report.add(line{what: "all", ours: float64(sum), unit: "runs"})
	return nil
}

// simulated are the packages that have such tests.
func simulated(ctx context.Context) (packages []string, err error) {
	out, err := exec.CommandContext(ctx, "grep", "-rlE", "--include=*_test.go", "^func Test(Simulation|Random)", "orchestrator").Output()
	if err != nil {
		return nil, fmt.Errorf("find simulations: %w", err)
	}
	for file := range strings.Lines(string(out)) {
		packages = append(packages, "./"+filepath.Dir(strings.TrimSpace(file)))
	}
	return packages, nil
}

// testEvent is a line of `go test -json`.
type testEvent struct {
	Action, Package, Test, Output, Key, Value string
}

func failures(out []byte) string {
	var text strings.Builder
	for lines := json.NewDecoder(strings.NewReader(string(out))); ; {
		var event testEvent
		if lines.Decode(&event) != nil {
			return text.String()
		}
		if event.Action == "output" || event.Action == "build-output" {
			text.WriteString(event.Output)
		}
	}
}
