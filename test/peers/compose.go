package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// compose2Module is Docker's compose plugin; its program is the package cmd.
const compose2Module = "github.com/docker/compose/v2@v2.40.3"

// compose2 builds the plugin in its module's own folder: with its exclusions of
// other modules it can only be the main one.
func (b *builder) compose2(ctx context.Context, target string) error {
	fmt.Fprintf(b.out, "%s: go build (two minutes)\n", Compose2)
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", compose2Module)
	cmd.Dir, cmd.Stderr = b.cache, b.out
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("download %s: %w", compose2Module, err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(text, &module); err != nil {
		return fmt.Errorf("download %s: %w", compose2Module, err)
	}
	built := filepath.Join(b.cache, "peers", string(Compose2))
	env := []string{"CGO_ENABLED=0", "GOFLAGS="}
	version := "-s -w -X github.com/docker/compose/v2/internal.Version=v2.40.3"
	if err := b.run(ctx, module.Dir, env, "go", "build", "-trimpath", "-ldflags", version, "-o", built, "./cmd"); err != nil {
		return err
	}
	return move(built, target)
}

// Program is the path of a peer's program in the cache.
func Program(t testing.TB, name Name) string {
	t.Helper()
	return mustCached(t, name)
}
