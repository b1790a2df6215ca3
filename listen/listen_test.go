package listen

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func writeToken(t *testing.T, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte(token+"\n"), 0o600))
	return path
}

func TestPolicy(t *testing.T) {
	f := func(address string, hasTLS, hasSecret bool, wantErr string) {
		t.Helper()
		err := CheckPolicy(address, hasTLS, hasSecret)
		if wantErr == "" {
			require.NoError(t, err)
			return
		}
		require.ErrorContains(t, err, wantErr)
	}
	f("127.0.0.1:0", false, false, "")
	f("[::1]:0", false, false, "")
	f("localhost:8082", false, false, "")
	f("unix:///run/x.sock", false, false, "")
	f("0.0.0.0:8082", true, true, "")
	f(":8082", true, false, "needs a secret")
	f("10.0.0.1:8082", false, true, "needs TLS")
	f("example.org:8082", false, false, "needs TLS (cert_file and key_file) and a secret")
}

func TestRefusesOpenAddress(t *testing.T) {
	_, err := New(Options{Address: "0.0.0.0:0"})
	require.ErrorContains(t, err, `"0.0.0.0:0" is not loopback`)
}

func TestRefusesShortToken(t *testing.T) {
	_, err := New(Options{Address: "127.0.0.1:0", Security: Security{TokenFile: writeToken(t, "short")}})
	require.ErrorContains(t, err, "at least 16 characters")
}

func serve(t *testing.T, o Options, h http.Handler) *Server {
	t.Helper()
	s, err := New(o)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Serve(h) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(t, s.Shutdown(ctx))
		require.NoError(t, <-done)
	})
	return s
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })

func TestToken(t *testing.T) {
	token := strings.Repeat("x", 20)
	s := serve(t, Options{Address: "127.0.0.1:0", Security: Security{TokenFile: writeToken(t, token)}}, hello)
	status := func(path, auth string) int {
		req, err := http.NewRequest(http.MethodGet, "http://"+s.Addr().String()+path, nil)
		require.NoError(t, err)
		if auth != "" {
			req.Header.Set("Authorization", auth)
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	require.Equal(t, http.StatusUnauthorized, status("/api", ""))
	require.Equal(t, http.StatusUnauthorized, status("/api", "Bearer wrong"))
	require.Equal(t, http.StatusOK, status("/api", "Bearer "+token))
	require.Equal(t, http.StatusOK, status("/healthz", ""))
}

func TestUnixSocketReplacesStaleButNotLive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "x.sock")
	serve(t, Options{Address: "unix://" + path}, hello)
	_, err := New(Options{Address: "unix://" + path})
	require.ErrorContains(t, err, "another process answers")

	stale := filepath.Join(t.TempDir(), "stale.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale})
	require.NoError(t, err)
	l.SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	serve(t, Options{Address: "unix://" + stale}, hello)
}
