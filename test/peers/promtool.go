package peers

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// promtoolModule is of the version of Prometheus that go.mod has; its own
// dependencies are many more than those of the packages that we use.
const promtoolModule = "github.com/prometheus/prometheus/cmd/promtool@v0.316.0"

func (b *builder) promtool(ctx context.Context, target string) error {
	dir := filepath.Join(b.cache, "peers", string(Promtool))
	fmt.Fprintf(b.out, "%s: go install (three minutes)\n", Promtool)
	if err := b.run(ctx, b.cache, []string{"GOBIN=" + dir, "GOFLAGS="}, "go", "install", promtoolModule); err != nil {
		return err
	}
	return move(filepath.Join(dir, "promtool"), target)
}

// RunPromtool runs Prometheus's own checker of rules and returns what it says.
func RunPromtool(t testing.TB, args ...string) (output string, err error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), mustCached(t, Promtool), args...).CombinedOutput()
	return string(out), err
}
