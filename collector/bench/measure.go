package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lubberline/lubberline/collector/bench/result"
)

// settle is how long a program runs before it is measured.
const settle = 4 * time.Second

// measure waits, measures this process, and prints the result for the parent.
func measure(ctx context.Context, d time.Duration, samples func() uint64, more func(*result.Result)) error {
	r, err := result.Measure(ctx, settle, d, samples)
	if err != nil {
		return err
	}
	if more != nil {
		more(&r)
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// member is one cgroup and its process.
type member struct {
	ID  string
	PID int
}

func writeMembers(path string, all []member) error {
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

func readMembers(path string) (all []member, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the cgroups to watch: %w", err)
	}
	return all, json.Unmarshal(text, &all)
}

func isOurs(id string) bool { return strings.HasPrefix(id, prefix) }
