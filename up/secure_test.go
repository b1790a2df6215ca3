package up

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	aggregator "github.com/lubberline/lubberline/aggregator/app"
	collector "github.com/lubberline/lubberline/collector/app"
)

const (
	rightToken = "the-right-token-of-16-or-more"
	rightKey   = "the right key"
)

// secrets are the files that both sides are told of.
type secrets struct {
	cert, key, token, sharedKey string
	roots                       *x509.CertPool
}

// makeSecrets makes a certificate for 127.0.0.1, which is its own authority.
func makeSecrets(t *testing.T) *secrets {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lubberline test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	keyBytes, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	s := &secrets{roots: x509.NewCertPool()}
	require.True(t, s.roots.AppendCertsFromPEM(certPEM))
	s.cert = secretFile(t, string(certPEM))
	s.key = secretFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyBytes})))
	s.token, s.sharedKey = secretFile(t, rightToken+"\n"), secretFile(t, rightKey+"\n")
	return s
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// output is a log that is written and looked at by several goroutines.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) has(parts ...string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for line := range strings.Lines(o.b.String()) {
		n := 0
		for _, p := range parts {
			if strings.Contains(line, p) {
				n++
			}
		}
		if n == len(parts) {
			return true
		}
	}
	return false
}

// running runs one half until the test ends.
func running(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

// client asks the aggregator's APIs with a token.
type client struct {
	http *http.Client
	base string
}

func (c *client) get(t *testing.T, path, token string, into any) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.base+path, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := c.http.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	if into != nil {
		require.NoError(t, json.NewDecoder(resp.Body).Decode(into))
	}
	return resp.StatusCode
}

func (c *client) lines(t *testing.T) (lines []string) {
	t.Helper()
	var page struct{ Entries []struct{ Message string } }
	require.Equal(t, http.StatusOK, c.get(t, "/api/v1/logs?order=asc&limit=1000", rightToken, &page))
	for _, e := range page.Entries {
		lines = append(lines, e.Message)
	}
	return lines
}

// firstSample is when the first sample of a series was taken; false for none.
func (c *client) firstSample(t *testing.T, name string) (time.Time, bool) {
	t.Helper()
	var answer struct {
		Data struct{ Result []struct{ Values [][2]any } }
	}
	require.Equal(t, http.StatusOK, c.get(t, "/api/v1/query?query="+url.QueryEscape(name+"[10m]"), rightToken, &answer))
	if len(answer.Data.Result) == 0 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(answer.Data.Result[0].Values[0][0].(float64) * 1000)), true
}

// TestWrongSecretsLoseNothing ships over TLS with a wrong token and a wrong
// key: both halves say so, nothing arrives, and once the files are put right
// everything arrives, each line once.
func TestWrongSecretsLoseNothing(t *testing.T) {
	s := makeSecrets(t)
	var log output
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(log.b.String())
		}
	})
	logger := slog.New(slog.NewTextHandler(&log, nil))
	a, err := aggregator.New(t.Context(), aggregator.Options{Config: secureAggregator(s), DataDir: t.TempDir(), Logger: logger})
	require.NoError(t, err)
	running(t, a.Run)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots}}
	t.Cleanup(transport.CloseIdleConnections)
	c := &client{http: &http.Client{Transport: transport}, base: "https://" + a.HTTPAddr().String()}

	cfg, token, key := secureCollector(t, s, a)
	file := filepath.Join(filepath.Dir(cfg.Logs.Files[0].Glob), "a.log")
	want := writeLines(t, file, 0, 50)
	col, err := collector.New(collector.Options{Config: cfg, DataDir: t.TempDir(), Logger: logger})
	require.NoError(t, err)
	running(t, col.Run)

	require.Eventually(t, func() bool { return log.has("receiver takes no samples; they wait on disk", "status=401") }, 20*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool { return log.has("cannot ship logs, they stay in the spool", "shared key") }, 20*time.Second, 10*time.Millisecond)
	require.Equal(t, http.StatusUnauthorized, c.get(t, "/api/v1/logs", "wrong", nil))
	require.Empty(t, c.lines(t))
	_, any := c.firstSample(t, "node_boot_time_seconds")
	require.False(t, any)
	want = append(want, writeLines(t, file, 50, 100)...)

	mended := time.Now()
	require.NoError(t, os.WriteFile(token, []byte(rightToken), 0o600))
	require.NoError(t, os.WriteFile(key, []byte(rightKey), 0o600))
	require.Eventually(t, func() bool { return len(c.lines(t)) >= len(want) }, 60*time.Second, 50*time.Millisecond)
	require.Equal(t, want, c.lines(t))
	require.Eventually(t, func() bool {
		first, ok := c.firstSample(t, "node_boot_time_seconds")
		return ok && first.Before(mended)
	}, 60*time.Second, 50*time.Millisecond, "samples from before the token was right")
	want = append(want, writeLines(t, file, 100, 110)...)
	require.NoError(t, appendTo(file, "no \xff\xfe UTF-8, caf\xc3\na\x00nul\x1b[31m\n"))
	want = append(want, "no \ufffd UTF-8, caf\ufffd", "a\x00nul\x1b[31m")
	require.Eventually(t, func() bool { return len(c.lines(t)) >= len(want) }, 60*time.Second, 50*time.Millisecond)
	require.Equal(t, want, c.lines(t))
}

func secureAggregator(s *secrets) aggregator.Config {
	cfg := aggregator.DefaultConfig()
	cfg.HTTP = "127.0.0.1:0"
	cfg.HTTPSecurity.CertFile, cfg.HTTPSecurity.KeyFile, cfg.HTTPSecurity.TokenFile = s.cert, s.key, s.token
	cfg.Forward = aggregator.ForwardConfig{Listen: "127.0.0.1:0", SharedKeyFile: s.sharedKey, CertFile: s.cert, KeyFile: s.key}
	return cfg
}

// secureCollector reads one folder of logs and knows neither the token nor the
// key; the files where they should be are returned.
func secureCollector(t *testing.T, s *secrets, a *aggregator.App) (cfg collector.Config, token, key string) {
	t.Helper()
	token, key = secretFile(t, "a-wrong-token-of-16-or-more"), secretFile(t, "a wrong key")
	cfg = collector.DefaultConfig()
	cfg.Node, cfg.HTTP, cfg.Interval = "worker-1", "127.0.0.1:0", time.Second
	cfg.Runtimes, cfg.Forward.Listen, cfg.Logs.Containers = collector.RuntimesConfig{}, "", false
	cfg.Logs.Files = []collector.FileConfig{{Glob: filepath.Join(t.TempDir(), "*.log"), Tag: "test"}}
	cfg.RemoteWrite.URL = "https://" + a.HTTPAddr().String() + "/api/v1/write"
	cfg.RemoteWrite.TokenFile, cfg.RemoteWrite.CAFile = token, s.cert
	cfg.LogOutput.Address, cfg.LogOutput.TLS = a.ForwardAddr().String(), true
	cfg.LogOutput.CAFile, cfg.LogOutput.SharedKeyFile = s.cert, key
	require.NoError(t, cfg.Validate())
	return cfg, token, key
}

func writeLines(t *testing.T, path string, from, to int) (lines []string) {
	t.Helper()
	for i := range to - from {
		lines = append(lines, fmt.Sprintf("line %d", from+i))
	}
	require.NoError(t, appendTo(path, strings.Join(lines, "\n")+"\n"))
	return lines
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
