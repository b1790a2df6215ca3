package credentials

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func options(dir string) Options {
	return Options{Dir: dir, Hosts: []string{"aggregator", "127.0.0.1"}, Secrets: []string{"token", "forward-key"},
		Mode: 0o640, Logger: slog.New(slog.DiscardHandler)}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func TestMake(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	written, err := Make(options(dir))
	require.NoError(t, err)
	require.Equal(t, []string{"ca.crt", "tls.key", "tls.crt", "token", "forward-key"}, written)
	for _, name := range written {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o640), info.Mode().Perm(), name)
	}
	info, err := os.Stat(filepath.Join(dir, "authority"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	token := read(t, filepath.Join(dir, "token"))
	require.GreaterOrEqual(t, len(token), 16)
	require.NotEqual(t, token, read(t, filepath.Join(dir, "forward-key")))
	requireGood(t, dir, "aggregator", "127.0.0.1")

	written, err = Make(options(dir))
	require.NoError(t, err)
	require.Empty(t, written, "all is there")

	more := options(dir)
	more.Hosts = append(more.Hosts, "monitoring.example.org")
	more.Secrets = append(more.Secrets, "influxdb-token")
	written, err = Make(more)
	require.NoError(t, err)
	require.Equal(t, []string{"tls.key", "tls.crt", "influxdb-token"}, written)
	requireGood(t, dir, "aggregator", "monitoring.example.org")
	require.Equal(t, token, read(t, filepath.Join(dir, "token")))
}

func requireGood(t *testing.T, dir string, hosts ...string) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(read(t, filepath.Join(dir, "ca.crt")))))
	for _, host := range hosts {
		_, err = pair.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots})
		require.NoError(t, err)
	}
}

func TestMakeRefuses(t *testing.T) {
	f := func(change func(*Options), want string) {
		t.Helper()
		o := options(t.TempDir())
		change(&o)
		_, err := Make(o)
		require.ErrorContains(t, err, want)
	}
	f(func(o *Options) { o.Hosts = nil }, "no host")
	f(func(o *Options) { o.Secrets = []string{"../token"} }, `secret "../token": want the name of a file`)
	f(func(o *Options) { o.Secrets = []string{"authority"} }, "is a directory")
	f(func(o *Options) {
		require.NoError(t, os.WriteFile(filepath.Join(o.Dir, "token"), []byte(" \n"), 0o600))
	}, "token is empty")
}
