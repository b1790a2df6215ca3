package remotewrite

import (
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestUnixSocketAndToken(t *testing.T) {
	dir := t.TempDir()
	socket, token := filepath.Join(dir, "aggregator.sock"), filepath.Join(dir, "token")
	require.NoError(t, os.WriteFile(token, []byte("s3cret\n"), 0o600))
	receiver := newReceiver(t)
	receiver.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/write/here" && r.Header.Get("Authorization") == "Bearer s3cret" {
			return false
		}
		http.Error(w, "no", http.StatusForbidden)
		return true
	})
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: receiver}}
	server.Start()
	t.Cleanup(server.Close)
	w, _, _ := start(t, Options{URL: "unix://" + socket + "?path=/write/here", Queue: newMemoryQueue(), TokenFile: token})
	w.Tick(noon, nil, nil)
	eventually(t, func() bool { return len(receiver.ups()) == 1 })
}

func TestTLSWithOwnAuthority(t *testing.T) {
	receiver := newReceiver(t)
	server := httptest.NewTLSServer(receiver)
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	pem := "-----BEGIN CERTIFICATE-----\n" + base64.StdEncoding.EncodeToString(server.Certificate().Raw) + "\n-----END CERTIFICATE-----\n"
	require.NoError(t, os.WriteFile(ca, []byte(pem), 0o600))
	w, _, _ := start(t, Options{URL: server.URL, Queue: newMemoryQueue(), CAFile: ca})
	w.Tick(noon, nil, nil)
	eventually(t, func() bool { return len(receiver.ups()) == 1 })
}

func TestBadOptions(t *testing.T) {
	f := func(o Options, want string) {
		t.Helper()
		_, err := New(o)
		require.ErrorContains(t, err, want)
	}
	queue, dir := newMemoryQueue(), t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	f(Options{}, "no queue")
	f(Options{Queue: queue}, "no node name")
	f(Options{Queue: queue, Node: "a", URL: "ftp://x"}, `"ftp://x"`)
	f(Options{Queue: queue, Node: "a", URL: "http://"}, "want http")
	f(Options{Queue: queue, Node: "a", URL: "unix://x"}, "want http")
	f(Options{Queue: queue, Node: "a", URL: "https://x", CAFile: filepath.Join(dir, "none")}, "ca_file")
	f(Options{Queue: queue, Node: "a", URL: "https://x", CAFile: empty}, "no PEM certificate")
	f(Options{Queue: queue, Node: "a", URL: "https://x", DeadLetterDir: filepath.Join(empty, "x")}, "dead-letter directory")
}

func TestParseRetryAfter(t *testing.T) {
	f := func(text string, want time.Duration) {
		t.Helper()
		require.Equal(t, want, parseRetryAfter(text, noon.UTC()))
	}
	f("", 0)
	f("3", 3*time.Second)
	f("-3", 0)
	f("soon", 0)
	f("999999", time.Hour)
	f(noon.Add(5*time.Second).UTC().Format(http.TimeFormat), 5*time.Second)
	f(noon.Add(-5*time.Second).UTC().Format(http.TimeFormat), 0)
}

func TestDeadLettersAreBounded(t *testing.T) {
	d, err := newDeadLetters(t.TempDir(), 4000)
	require.NoError(t, err)
	for i := range 100 {
		require.NoError(t, d.add(deadLetter{Seq: uint64(i), Request: make([]byte, 300)}))
	}
	require.NoError(t, d.add(deadLetter{Seq: 100, Request: make([]byte, 5000)}), "too long to be kept whole")
	total, last := int64(0), ""
	for _, name := range []string{d.path + ".1", d.path} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		total += int64(len(text))
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		last = lines[len(lines)-1]
	}
	require.LessOrEqual(t, total, int64(4000))
	var letter deadLetter
	require.NoError(t, json.Unmarshal([]byte(last), &letter))
	require.Equal(t, uint64(100), letter.Seq)
	require.Empty(t, letter.Request)
}
