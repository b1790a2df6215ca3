// Package peers starts the real programs that tests talk to: InfluxDB 1.8 and
// 2.7, Elasticsearch 7.17 and 8.15, and Docker. Each runs on free loopback
// ports, keeps its data in a directory of the test, and ends with the test.
// What has to be built or fetched first lies in the repository's .cache folder
// and gets there by
//
//	go run ./test/peers/cmd/peers build
//
// A peer that is not there fails the test that wants it, with that line.
package peers

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Real says whether tests against real peers were asked for: the environment
// variable LUBBERLINE_REAL is set, as `make test` does.
func Real() bool { return os.Getenv("LUBBERLINE_REAL") != "" }

// RequireReal skips the test unless real peers were asked for.
func RequireReal(t testing.TB) {
	t.Helper()
	if !Real() {
		t.Skip("needs real peers: set LUBBERLINE_REAL=1 (make test does)")
	}
}

// Outage is how long tests keep a peer down: LUBBERLINE_OUTAGE, or 5 seconds.
func Outage(t testing.TB) time.Duration {
	t.Helper()
	text := os.Getenv("LUBBERLINE_OUTAGE")
	if text == "" {
		return 5 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		t.Fatalf("LUBBERLINE_OUTAGE=%q: not a positive duration", text)
	}
	return d
}

// errNotBuilt is wrapped by errors about peers that are not in the cache.
var errNotBuilt = errors.New("not built")

// notBuilt is the error for a peer whose file is missing.
func notBuilt(name Name, path string) error {
	return fmt.Errorf("%s: %s is missing (%w): run `go run ./test/peers/cmd/peers build %s`", name, path, errNotBuilt, name)
}

// CacheDir is the .cache folder beside the go.mod above the working directory.
func CacheDir() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, ".cache"), nil
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the working directory: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = parent
	}
}

// freePort returns a loopback TCP port that nobody listened on a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
