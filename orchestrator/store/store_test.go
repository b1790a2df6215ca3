package store

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("k8s.io/klog/v2.(*flushDaemon).run.func1"),
		goleak.IgnoreAnyFunction("go.opencensus.io/stats/view.(*worker).start"),
	)
}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{Dir: dir, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry()})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func put(t *testing.T, s *Store, key, value string) {
	t.Helper()
	_, err := s.Client.Put(t.Context(), key, value)
	require.NoError(t, err)
}

func value(t *testing.T, s *Store, key string) string {
	t.Helper()
	answer, err := s.Client.KV.Get(t.Context(), key)
	require.NoError(t, err)
	if len(answer.Kvs) == 0 {
		return ""
	}
	return string(answer.Kvs[0].Value)
}

func TestWhatIsStoredIsThereAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	s := open(t, dir)
	require.NoError(t, s.Ready(t.Context()))
	put(t, s, "/a", "1")
	s.Close()
	s.Close() // does nothing
	s = open(t, dir)
	require.Equal(t, "1", value(t, s, "/a"))
}

// TestPowerLoss copies the directory while it is written to, as a power cut
// would leave it, and looks for every key whose write had been acknowledged.
func TestPowerLoss(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	s := open(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	var acknowledged atomic.Int64
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := int64(1); ctx.Err() == nil; i++ {
			if _, err := s.Client.Put(ctx, fmt.Sprintf("/k%d", i), strings.Repeat("x", 500)); err == nil {
				acknowledged.Store(i)
			}
		}
	})
	for cut := range 8 {
		least := int64((cut + 1) * 700) // some of them around snapshots of the log
		require.Eventually(t, func() bool { return acknowledged.Load() > least }, 20*time.Second, time.Millisecond)
		before := acknowledged.Load()
		crashed := filepath.Join(t.TempDir(), "etcd")
		copyUnderLoad(t, dir, crashed, cut%2 == 0)
		again := open(t, crashed)
		answer, err := again.Client.KV.Get(t.Context(), "/k", clientv3.WithPrefix(), clientv3.WithCountOnly())
		require.NoError(t, err)
		require.GreaterOrEqual(t, answer.Count, before)
		require.Equal(t, strings.Repeat("x", 500), value(t, again, fmt.Sprintf("/k%d", before)))
		_, err = again.Client.Put(t.Context(), "/after", "the cut")
		require.NoError(t, err)
		require.Equal(t, "the cut", value(t, again, "/after"))
		again.Close()
	}
	stop()
	writing.Wait()
}

// copyUnderLoad copies the directory while it is written to: the database before
// the log of writes or after it, as a copying program may happen to.
func copyUnderLoad(t *testing.T, from, to string, logLast bool) {
	t.Helper()
	var logs, others []string
	require.NoError(t, filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir(): //nolint:nilerr // gone since the listing
		case strings.HasSuffix(path, ".wal"):
			logs = append(logs, path)
		default:
			others = append(others, path)
		}
		return nil
	}))
	order := append(logs, others...)
	if logLast {
		order = append(others, logs...)
	}
	for _, path := range order {
		copyFile(t, from, path, to)
	}
}

func copyFile(t *testing.T, from, path, to string) {
	t.Helper()
	name, err := filepath.Rel(from, path)
	require.NoError(t, err)
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return
	}
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(to, name), data, 0o600))
}

func TestFreePagesAreGivenBack(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "etcd"))
	s.embedded.defragmentOnce()
	large := strings.Repeat("x", 1<<20)
	for i := range 40 {
		put(t, s, fmt.Sprintf("/large%d", i), large)
	}
	put(t, s, "/kept", "1")
	answer, err := s.Client.Delete(t.Context(), "/large", clientv3.WithPrefix())
	require.NoError(t, err)
	_, err = s.Client.Compact(t.Context(), answer.Header.Revision, clientv3.WithCompactPhysical())
	require.NoError(t, err)
	backend := s.embedded.server.Backend()
	backend.ForceCommit()
	before := backend.Size()
	require.Greater(t, before, int64(defragmentAbove))
	s.embedded.defragmentOnce()
	require.Less(t, backend.Size(), before/4)
	require.Equal(t, "1", value(t, s, "/kept"))
}

func TestFullStoreRefusesWrites(t *testing.T) {
	s, err := Open(t.Context(), Options{Dir: filepath.Join(t.TempDir(), "etcd"), Quota: 4 << 20, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	large := strings.Repeat("x", 1<<20)
	for i := 0; err == nil && i < 500; i++ {
		_, err = s.Client.Put(t.Context(), fmt.Sprintf("/large%d", i), large)
	}
	require.ErrorContains(t, err, "database space exceeded")
	require.NoError(t, s.Ready(t.Context()), "it still answers")
}

func TestDirectoryThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Open(t.Context(), Options{Dir: filepath.Join(file, "etcd"), Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "not a directory")
}

// TestExternal uses an etcd that listens, as another machine's would.
func TestExternal(t *testing.T) {
	cfg := embed.NewConfig()
	cfg.Dir, cfg.LogLevel = t.TempDir(), "panic"
	nowhere := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	cfg.ListenPeerUrls, cfg.ListenClientUrls = nowhere, nowhere
	cfg.AdvertisePeerUrls, cfg.AdvertiseClientUrls = nowhere, nowhere
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	e, err := embed.StartEtcd(cfg)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	<-e.Server.ReadyNotify()

	s, err := Open(t.Context(), Options{
		External: External{Endpoints: []string{"http://" + e.Clients[0].Addr().String()}}, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	put(t, s, "/a", "1")
	require.Equal(t, "1", value(t, s, "/a"))
}

func TestExternalThatDoesNotAnswer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := Open(ctx, Options{External: External{Endpoints: []string{"http://127.0.0.1:1"}}, Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "http://127.0.0.1:1")
	_, err = Open(t.Context(), Options{External: External{Endpoints: []string{"https://127.0.0.1:1"}, CAFile: "/nowhere"}, Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "etcd's certificates")
}
