package peers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Name names a peer that has to be built.
type Name string

// The peers that are built into the cache.
const (
	InfluxDB18      Name = "influxdb-1.8.10"
	InfluxDB27      Name = "influxdb-2.7.11"
	Elasticsearch7  Name = "elasticsearch-7.17.28"
	Elasticsearch8  Name = "elasticsearch-8.15.3"
	Compose2        Name = "docker-compose-2.40.3"
	Promtool        Name = "promtool-0.316.0"
	influx18Module       = "github.com/influxdata/influxdb/cmd/influxd@v1.8.10"
	pkgConfigModule      = "github.com/influxdata/pkg-config@v0.2.7"
	influx27Package      = "github.com/influxdata/influxdb/v2/cmd/influxd"
)

// Names lists the peers that Build knows, in the order in which it builds them.
func Names() []Name {
	return []Name{InfluxDB18, Elasticsearch8, Elasticsearch7, Compose2, Promtool, InfluxDB27}
}

// path is where the built peer lies below the cache folder: a program, or the
// home folder of Elasticsearch.
func (n Name) path() string {
	switch n {
	case InfluxDB18, InfluxDB27, Compose2, Promtool:
		return filepath.Join("bin", string(n))
	default:
		return filepath.Join("peers", string(n), "home")
	}
}

// builder builds peers into a cache folder, telling out what it does.
type builder struct {
	cache string
	out   io.Writer
}

// Build builds the named peers (all of them if none is named) that are not in
// the cache yet. Only one program builds at a time; others wait. A peer whose
// tools this machine lacks is an error, but for InfluxDB 2.7 (cargo): that is
// said on out and left.
func Build(ctx context.Context, out io.Writer, names ...Name) error {
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		names = Names()
	}
	unlock, err := lock(cache)
	if err != nil {
		return err
	}
	defer unlock()
	b := &builder{cache: cache, out: out}
	for _, name := range names {
		if err := b.build(ctx, name); err != nil {
			return fmt.Errorf("build %s: %w", name, err)
		}
	}
	return nil
}

func lock(cache string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Join(cache, "peers"), 0o755); err != nil {
		return nil, fmt.Errorf("make the cache: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(cache, "peers", "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the cache: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	return func() { f.Close() }, nil
}

func (b *builder) build(ctx context.Context, name Name) error {
	target := filepath.Join(b.cache, name.path())
	if exists(target) && b.current(name, target) {
		fmt.Fprintf(b.out, "%s: in the cache\n", name)
		return nil
	}
	switch name {
	case InfluxDB18:
		return b.influxdb18(ctx, target)
	case InfluxDB27:
		return b.influxdb27(ctx, target)
	case Compose2:
		return b.compose2(ctx, target)
	case Promtool:
		return b.promtool(ctx, target)
	case Elasticsearch7, Elasticsearch8:
		return b.elasticsearch(ctx, name, target)
	default:
		return fmt.Errorf("unknown peer; known are %v", Names())
	}
}

// current says whether what is in the cache was built from our present sources.
func (b *builder) current(name Name, target string) bool {
	if name != Elasticsearch7 && name != Elasticsearch8 {
		return true
	}
	ours, err := elasticsearchFiles.ReadFile("elasticsearch/" + launcherVersion(name) + "/Server.java")
	if err != nil {
		return false
	}
	built, err := os.ReadFile(filepath.Join(target, "Server.java"))
	return err == nil && string(built) == string(ours)
}

// influxdb18 installs the module's program into a folder of its own, for go
// install cannot rename.
func (b *builder) influxdb18(ctx context.Context, target string) error {
	dir := filepath.Join(b.cache, "peers", string(InfluxDB18))
	fmt.Fprintf(b.out, "%s: go install (one to two minutes)\n", InfluxDB18)
	if err := b.run(ctx, b.cache, []string{"GOBIN=" + dir, "GOFLAGS="}, "go", "install", influx18Module); err != nil {
		return err
	}
	return move(filepath.Join(dir, "influxd"), target)
}

const influx27Mod = `module peer.invalid/influxdb

go 1.24

require github.com/influxdata/influxdb/v2 v2.7.11
`

const influx27Tools = `//go:build tools

package tools

import _ "github.com/influxdata/influxdb/v2/cmd/influxd"
`

// rustcWrapper turns the warnings that new compilers have for the old Rust
// part, which it declares to be errors, back into warnings.
const rustcWrapper = `#!/bin/sh
exec "$@" --cap-lints warn
`

func (b *builder) influxdb27(ctx context.Context, target string) error {
	if _, err := exec.LookPath("cargo"); err != nil {
		fmt.Fprintf(b.out, "NOT TESTED: InfluxDB 2.x: no cargo on this machine to build %s with\n", InfluxDB27)
		return nil //nolint:nilerr // said aloud instead
	}
	dir := filepath.Join(b.cache, "peers", string(InfluxDB27))
	if err := writeFiles(dir, map[string]string{"go.mod": influx27Mod, "tools.go": influx27Tools, "rustc-wrapper": rustcWrapper}); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "%s: go build with cargo (ten minutes or more)\n", InfluxDB27)
	if err := b.run(ctx, dir, []string{"GOBIN=" + dir, "GOFLAGS="}, "go", "install", pkgConfigModule); err != nil {
		return err
	}
	// The library that pkg-config makes lies in Go's cache, and a cached package
	// names it without asking pkg-config again: a cache that has lost the one and
	// kept the other never links. So this build has a cache of its own.
	cache := filepath.Join(dir, "go-build")
	if err := os.RemoveAll(cache); err != nil {
		return fmt.Errorf("empty the build's cache: %w", err)
	}
	defer os.RemoveAll(cache)
	env := []string{
		"GOCACHE=" + cache,
		"PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH"),
		"PKG_CONFIG=" + filepath.Join(dir, "pkg-config"),
		"RUSTUP_TOOLCHAIN=stable",
		"RUSTC_WRAPPER=" + filepath.Join(dir, "rustc-wrapper"),
		"GOFLAGS=-mod=mod",
	}
	built := filepath.Join(dir, "influxd")
	if err := b.run(ctx, dir, env, "go", "build", "-o", built, influx27Package); err != nil {
		return err
	}
	return move(built, target)
}

// run runs a command with low priority; its output is shown.
func (b *builder) run(ctx context.Context, dir string, env []string, command ...string) error {
	cmd := exec.CommandContext(ctx, "nice", append([]string{"-n", "10"}, command...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = b.out, b.out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%v: %w", command, err)
	}
	return nil
}

// Missing returns an error that names what has to be built, or nil.
func Missing(names ...Name) error {
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	var missing []error
	for _, name := range names {
		if path := filepath.Join(cache, name.path()); !exists(path) {
			missing = append(missing, notBuilt(name, path))
		}
	}
	return errors.Join(missing...)
}

func move(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("make the target's folder: %w", err)
	}
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("remove an older build: %w", err)
	}
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("move the build into its place: %w", err)
	}
	return nil
}

// writeFiles writes small files into dir, executable all of them: one is a script.
func writeFiles(dir string, files map[string]string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make a build folder: %w", err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			return fmt.Errorf("write a build file: %w", err)
		}
	}
	return nil
}
