package forward

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collect is a handler that keeps what it gets.
type collect struct {
	mu     sync.Mutex
	chunks []*Chunk
	dones  []func(error)
	hold   bool // the test calls done
}

func (h *collect) Handle(_ context.Context, c *Chunk, done func(error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.chunks = append(h.chunks, c)
	if h.hold {
		h.dones = append(h.dones, done)
		return
	}
	done(nil)
}

func (h *collect) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.chunks)
}

func (h *collect) wait(t *testing.T, n int) []*Chunk {
	t.Helper()
	require.Eventually(t, func() bool { return h.count() >= n }, 10*time.Second, time.Millisecond)
	h.mu.Lock()
	defer h.mu.Unlock()
	require.Len(t, h.chunks, n)
	return h.chunks
}

type syncWriter struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *syncWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *syncWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	require.NoError(t, err)
	return l
}

// serve starts a server; the zero options listen on loopback.
func serve(t *testing.T, o Options) *Server {
	t.Helper()
	if len(o.Listeners) == 0 {
		o.Listeners = []net.Listener{listen(t, "tcp", "127.0.0.1:0")}
	}
	s, err := NewServer(o)
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s.Shutdown(ctx)
		require.NoError(t, <-served)
	})
	return s
}

func connect(t *testing.T, s *Server, o ClientOptions) *Client {
	t.Helper()
	if o.Address == "" {
		o.Address = s.Addr().String()
	}
	c, err := Dial(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func frame(id string) []byte {
	entry := append(AppendEventTime([]byte{0x92}, 1), 0x80)
	return AppendOptions(append(AppendPackedHeader(nil, "t", len(entry)), entry...), FrameOptions{Chunk: id})
}

func TestAcknowledgementsComeInOrderOfCompletion(t *testing.T) {
	h := &collect{hold: true}
	c := connect(t, serve(t, Options{Handler: h}), ClientOptions{})
	require.NoError(t, c.Send(frame("a"), frame("b"), frame("")))
	h.wait(t, 3)
	h.dones[1](nil)
	id, err := c.ReadAck(10 * time.Second)
	require.NoError(t, err)
	require.Equal(t, "b", id)
	_, err = c.ReadAck(time.Millisecond)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	h.dones[0](nil)
	h.dones[0](errors.New("called again, which changes nothing"))
	id, err = c.ReadAck(10 * time.Second)
	require.NoError(t, err)
	require.Equal(t, "a", id)
	h.dones[2](nil)
}

func TestFailureClosesTheConnectionAfterTheOthersAreDone(t *testing.T) {
	var log syncWriter
	h := &collect{hold: true}
	s := serve(t, Options{Handler: h, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	c := connect(t, s, ClientOptions{})
	other := connect(t, s, ClientOptions{})
	require.NoError(t, c.Send(frame("a"), frame("b")))
	h.wait(t, 2)
	h.dones[0](errors.New("disk full"))
	h.dones[1](nil)
	id, err := c.ReadAck(10 * time.Second)
	require.NoError(t, err)
	require.Equal(t, "b", id)
	_, err = c.ReadAck(10 * time.Second)
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Contains(t, log.String(), "disk full")

	require.NoError(t, other.Send(frame("c")))
	h.wait(t, 3)
	h.dones[2](nil)
	id, err = other.ReadAck(10 * time.Second)
	require.NoError(t, err)
	require.Equal(t, "c", id)
}

func TestCorruptFrameClosesOnlyItsConnection(t *testing.T) {
	var log syncWriter
	h := &collect{}
	reg := prometheus.NewRegistry()
	s := serve(t, Options{Name: "x", Handler: h, Logger: slog.New(slog.NewTextHandler(&log, nil)), Registerer: reg})
	good := connect(t, s, ClientOptions{})
	bad := connect(t, s, ClientOptions{})
	require.NoError(t, bad.Send(frame("a"), []byte{0x92, 0xc1}))
	id, err := bad.ReadAck(10 * time.Second)
	require.NoError(t, err)
	require.Equal(t, "a", id)
	_, err = bad.ReadAck(10 * time.Second)
	require.Error(t, err)
	require.Contains(t, log.String(), bad.net.LocalAddr().String())
	require.Contains(t, log.String(), "begins no value")
	require.NoError(t, good.Send(frame("b")))
	id, err = good.ReadAck(10 * time.Second)
	require.NoError(t, err)
	require.Equal(t, "b", id)
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP lubberline_forward_bad_frames_total Connections closed because of a malformed or oversized frame.
# TYPE lubberline_forward_bad_frames_total counter
lubberline_forward_bad_frames_total{server="x"} 1
`), "lubberline_forward_bad_frames_total"))
}

func TestBudgetHoldsReadersBack(t *testing.T) {
	h := &collect{hold: true}
	s := serve(t, Options{Handler: h, Limits: Limits{InFlightBytes: 10_000}})
	var clients []*Client
	big := make([]byte, 8000)
	for i := range 3 {
		c := connect(t, s, ClientOptions{})
		require.NoError(t, c.Send(AppendPackedHeader(nil, "t", len(big)), big, AppendOptions(nil, FrameOptions{Chunk: fmt.Sprint(i)})))
		clients = append(clients, c)
	}
	for i := range clients {
		h.wait(t, i+1)
		require.LessOrEqual(t, s.budget.inUse(), int64(10_000))
		h.mu.Lock()
		done := h.dones[i]
		h.mu.Unlock()
		done(nil)
	}
	for _, c := range clients {
		_, err := c.ReadAck(10 * time.Second)
		require.NoError(t, err)
	}
}

func TestHandshake(t *testing.T) {
	server := Credentials{Hostname: "server", SharedKey: "secret", Users: map[string]string{"u": "p", "v": "q"}}
	for name, c := range map[string]struct {
		credentials Credentials
		refused     string
	}{
		"good":           {Credentials{Hostname: "c", SharedKey: "secret", Users: map[string]string{"u": "p"}}, ""},
		"wrong key":      {Credentials{Hostname: "c", SharedKey: "other", Users: map[string]string{"u": "p"}}, "shared key mismatch"},
		"wrong user":     {Credentials{Hostname: "c", SharedKey: "secret", Users: map[string]string{"w": ""}}, "username/password"},
		"wrong password": {Credentials{Hostname: "c", SharedKey: "secret", Users: map[string]string{"u": "q"}}, "username/password"},
		"no user":        {Credentials{Hostname: "c", SharedKey: "secret"}, "username/password"},
		"own name":       {Credentials{Hostname: "server", SharedKey: "secret", Users: map[string]string{"u": "p"}}, "same hostname"},
	} {
		t.Run(name, func(t *testing.T) {
			h := &collect{}
			s := serve(t, Options{Handler: h, Credentials: server})
			client, err := Dial(t.Context(), ClientOptions{Address: s.Addr().String(), Credentials: c.credentials})
			if c.refused != "" {
				require.ErrorIs(t, err, ErrRefused)
				require.ErrorContains(t, err, c.refused)
				return
			}
			require.NoError(t, err)
			defer client.Close()
			require.NoError(t, client.Send(frame("a")))
			_, err = client.ReadAck(10 * time.Second)
			require.NoError(t, err)
		})
	}
}

func TestClientWithoutHandshakeIsNotHeard(t *testing.T) {
	h := &collect{}
	s := serve(t, Options{Handler: h, Credentials: Credentials{Hostname: "s", SharedKey: "k"}})
	c := connect(t, s, ClientOptions{})
	require.NoError(t, c.Send(frame("a")))
	for {
		if _, err := c.net.Read(make([]byte, 1000)); err != nil {
			break
		}
	}
	require.Zero(t, h.count())
}

func TestSilentClientMayNotHoldTheHandshake(t *testing.T) {
	var log syncWriter
	s := serve(t, Options{
		Handler: &collect{}, Credentials: Credentials{Hostname: "s", SharedKey: "k"},
		Limits: Limits{HandshakeTime: 20 * time.Millisecond}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	c, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	_, err = io.ReadAll(c)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "no PING within 20ms") }, 10*time.Second, time.Millisecond)
}

func TestHalfAFrameMayNotHoldAConnection(t *testing.T) {
	s := serve(t, Options{Handler: &collect{}, Limits: Limits{FrameTime: 20 * time.Millisecond}})
	c := connect(t, s, ClientOptions{})
	require.NoError(t, c.Send(frame("a")))
	_, err := c.ReadAck(10 * time.Second)
	require.NoError(t, err)
	require.NoError(t, c.Send(frame("b")[:5]))
	_, err = c.ReadAck(10 * time.Second)
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestConnectionsAreLimited(t *testing.T) {
	h := &collect{}
	s := serve(t, Options{Handler: h, Limits: Limits{Connections: 1}})
	first := connect(t, s, ClientOptions{})
	require.NoError(t, first.Send(frame("a")))
	_, err := first.ReadAck(10 * time.Second)
	require.NoError(t, err)
	second := connect(t, s, ClientOptions{})
	_, err = second.ReadAck(10 * time.Second)
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestShutdownWaitsForChunksInHand(t *testing.T) {
	h := &collect{hold: true}
	s, err := NewServer(Options{Handler: h, Listeners: []net.Listener{listen(t, "tcp", "127.0.0.1:0")}})
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	c := connect(t, s, ClientOptions{})
	require.NoError(t, c.Send(frame("a"), frame("b")))
	h.wait(t, 2)
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(t.Context()) }()
	require.NoError(t, <-served)
	h.dones[0](nil)
	h.dones[1](nil)
	for range 2 {
		_, err = c.ReadAck(10 * time.Second)
		require.NoError(t, err)
	}
	require.NoError(t, <-ended)
}

func TestShutdownGivesUpWaiting(t *testing.T) {
	h := &collect{hold: true}
	s := serve(t, Options{Handler: h})
	c := connect(t, s, ClientOptions{})
	require.NoError(t, c.Send(frame("a")))
	h.wait(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Shutdown(ctx), context.Canceled)
	h.dones[0](nil)
}

func TestHeartbeat(t *testing.T) {
	s := serve(t, Options{Handler: &collect{}, Heartbeat: true})
	c, err := net.Dial("udp", s.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte{0})
	require.NoError(t, err)
	b := make([]byte, 10)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	n, err := c.Read(b)
	require.NoError(t, err)
	require.Equal(t, []byte{0}, b[:n])
}

func TestTLSAndUnix(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "me"}, DNSNames: []string{"here"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	socket := filepath.Join(t.TempDir(), "s")
	own := []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	secure := tls.NewListener(listen(t, "tcp", "127.0.0.1:0"), &tls.Config{Certificates: own, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven})
	h := &collect{}
	s := serve(t, Options{Handler: h, Listeners: []net.Listener{secure, listen(t, "unix", socket)}, Credentials: Credentials{Hostname: "s", SharedKey: "k"}})
	credentials := Credentials{Hostname: "c", SharedKey: "k"}
	for _, o := range []ClientOptions{
		{TLS: &tls.Config{RootCAs: pool, ServerName: "here", Certificates: own}, Credentials: credentials},
		{TLS: &tls.Config{RootCAs: pool, ServerName: "here"}, Credentials: credentials},
		{Network: "unix", Address: socket, Credentials: credentials},
	} {
		c := connect(t, s, o)
		require.NoError(t, c.Send(frame("a")))
		_, err := c.ReadAck(10 * time.Second)
		require.NoError(t, err)
	}
	require.Equal(t, "me", h.chunks[0].Peer)
	require.Empty(t, h.chunks[1].Peer)
	require.NotEmpty(t, h.chunks[2].Remote)
}

// TestFluentLoggerGolang checks the client that Docker's log driver is made of.
func TestFluentLoggerGolang(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	when := time.Unix(1_764_000_000, 123_456_789)
	for name, c := range map[string]struct {
		config fluent.Config
		nanos  int64
	}{
		"plain":      {fluent.Config{}, 0},
		"ack":        {fluent.Config{RequestAck: true}, 0},
		"sub-second": {fluent.Config{RequestAck: true, SubSecondPrecision: true}, 123_456_789},
		"json":       {fluent.Config{MarshalAsJSON: true}, 0},
		"async":      {fluent.Config{Async: true, RequestAck: true}, 0},
		"unix":       {fluent.Config{FluentNetwork: "unix", FluentSocketPath: socket, RequestAck: true}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := &collect{}
			listeners := []net.Listener{listen(t, "tcp", "127.0.0.1:0")}
			if c.config.FluentNetwork == "unix" {
				listeners = []net.Listener{listen(t, "unix", socket)}
			} else {
				addr := listeners[0].Addr().(*net.TCPAddr)
				c.config.FluentHost, c.config.FluentPort = "127.0.0.1", addr.Port
			}
			serve(t, Options{Handler: h, Listeners: listeners})
			c.config.ReadTimeout = 10 * time.Second
			logger, err := fluent.New(c.config)
			require.NoError(t, err)
			for i := range 100 {
				require.NoError(t, logger.PostWithTime("docker.x", when, map[string]any{"log": "line", "n": i}))
			}
			require.NoError(t, logger.Close())
			for _, chunk := range h.wait(t, 100) {
				require.Equal(t, "docker.x", chunk.Tag)
				it := NewIterator(chunk.Entries)
				require.True(t, it.Next())
				require.Equal(t, when.Unix()*1e9+c.nanos, it.Entry.Time)
				record, _, err := msgp.ReadMapStrIntfBytes(it.Entry.Record, nil)
				require.NoError(t, err)
				require.Equal(t, "line", record["log"])
				require.Equal(t, c.config.RequestAck, chunk.FrameOptions.Chunk != "")
			}
		})
	}
}

// BenchmarkLoopback sends acknowledged chunks of 2 MiB with 8 in flight.
func BenchmarkLoopback(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	s, err := NewServer(Options{Handler: &collectNothing{}, Listeners: []net.Listener{l}})
	require.NoError(b, err)
	go s.Serve()
	defer s.Shutdown(context.Background())
	c, err := Dial(b.Context(), ClientOptions{Address: l.Addr().String()})
	require.NoError(b, err)
	defer c.Close()
	body := make([]byte, 2<<20)
	header := AppendPackedHeader(nil, "t", len(body))
	b.SetBytes(int64(len(body)))
	window := make(chan struct{}, 8)
	go func() {
		for {
			if _, err := c.ReadAck(0); err != nil {
				close(window)
				return
			}
			<-window
		}
	}()
	var options []byte
	for b.Loop() {
		window <- struct{}{}
		options = AppendOptions(options[:0], FrameOptions{Chunk: "abcdef-1"})
		require.NoError(b, c.Send(header, body, options))
	}
}

type collectNothing struct{}

func (*collectNothing) Handle(_ context.Context, _ *Chunk, done func(error)) { done(nil) }
