package pki

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"k8s.io/client-go/tools/clientcmd"
	clocktesting "k8s.io/utils/clock/testing"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("k8s.io/klog/v2.(*flushDaemon).run.func1"))
}

func open(t *testing.T, dir string, c *clocktesting.FakeClock) *PKI {
	t.Helper()
	p, err := Open(Options{Dir: dir, Clock: c, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return p
}

func server() Request {
	return Request{Name: "server", User: "a", Hosts: []string{"localhost", "127.0.0.1"}}
}

// shake makes a connection in which both sides verify the other.
func shake(t *testing.T, p *PKI, server, client *Pair, now func() time.Time) (tls.ConnectionState, error) {
	t.Helper()
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(p.CA()))
	a, b := net.Pipe()
	listener := tls.Server(a, &tls.Config{GetCertificate: server.Certificate, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert, Time: now})
	dialer := tls.Client(b, &tls.Config{GetClientCertificate: client.ClientCertificate, RootCAs: roots, ServerName: "127.0.0.1", Time: now})
	done := make(chan error, 1)
	go func() { done <- listener.HandshakeContext(t.Context()) }()
	err := dialer.HandshakeContext(t.Context())
	if err == nil {
		err = <-done
	}
	state := listener.ConnectionState()
	_, _ = a.Close(), b.Close()
	return state, err
}

func TestBothSidesAreKnown(t *testing.T) {
	c := clocktesting.NewFakeClock(time.Now())
	p := open(t, t.TempDir(), c)
	s, err := p.Pair(server())
	require.NoError(t, err)
	admin, err := p.Pair(Request{Name: "admin", User: "root", Groups: []string{"system:masters"}})
	require.NoError(t, err)
	state, err := shake(t, p, s, admin, c.Now)
	require.NoError(t, err)
	require.Equal(t, "root", state.PeerCertificates[0].Subject.CommonName)
	require.Equal(t, []string{"system:masters"}, state.PeerCertificates[0].Subject.Organization)

	_, err = shake(t, p, admin, s, c.Now)
	require.Error(t, err, "a client's certificate is not a server's")
}

func TestCertificatesOutliveTheProcess(t *testing.T) {
	c := clocktesting.NewFakeClock(time.Now())
	dir := t.TempDir()
	p := open(t, dir, c)
	first, err := p.Pair(server())
	require.NoError(t, err)
	certificate, _ := first.CurrentCertKeyContent()

	p = open(t, dir, c)
	again, err := p.Pair(server())
	require.NoError(t, err)
	same, _ := again.CurrentCertKeyContent()
	require.Equal(t, certificate, same)

	r := server()
	r.Hosts = append(r.Hosts, "10.0.0.1")
	p = open(t, dir, c)
	other, err := p.Pair(r)
	require.NoError(t, err)
	require.NoError(t, other.leaf.VerifyHostname("10.0.0.1"), "a new address has it issued anew")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "server.crt"), []byte("broken"), 0o600))
	p = open(t, dir, c)
	_, err = p.Pair(r)
	require.NoError(t, err, "what is broken is issued anew")
}

func TestModesOfFiles(t *testing.T) {
	dir := t.TempDir()
	p := open(t, dir, clocktesting.NewFakeClock(time.Now()))
	pair, err := p.Pair(server())
	require.NoError(t, err)
	require.NoError(t, p.Kubeconfig(filepath.Join(dir, "kubeconfig"), "https://127.0.0.1:6443", pair))
	for _, name := range []string{"ca.key", "service-account.key", "server.key", "kubeconfig"} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
}

// listener counts renewals as the library's controllers are told of them.
type listener struct{ told chan struct{} }

func (l listener) Enqueue() { l.told <- struct{}{} }

func TestRenewalWithoutRestart(t *testing.T) {
	c := clocktesting.NewFakeClock(time.Now())
	dir := t.TempDir()
	p := open(t, dir, c)
	s, err := p.Pair(server())
	require.NoError(t, err)
	client, err := p.Pair(Request{Name: "client", User: "b"})
	require.NoError(t, err)
	path := filepath.Join(dir, "kubeconfig")
	require.NoError(t, p.Kubeconfig(path, "https://127.0.0.1:6443", client))
	l := listener{make(chan struct{}, 1)}
	s.AddListener(l)
	before, _ := s.CurrentCertKeyContent()

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	require.Eventually(t, c.HasWaiters, time.Second, time.Millisecond)
	c.Step(leafLife - renewBefore + time.Hour)
	<-l.told
	require.Eventually(t, func() bool { return !client.old(c.Now()) }, time.Second, time.Millisecond)
	after, _ := s.CurrentCertKeyContent()
	require.NotEqual(t, before, after)
	_, err = shake(t, p, s, client, func() time.Time { return c.Now().Add(leafLife / 2) })
	require.NoError(t, err, "long after the first ones ended")

	certificate, _ := client.CurrentCertKeyContent()
	require.Eventually(t, func() bool {
		written, err := clientcmd.LoadFromFile(path)
		return err == nil && string(written.AuthInfos["b"].ClientCertificateData) == string(certificate)
	}, time.Second, time.Millisecond)
	cancel()
	require.NoError(t, <-done)
}

func TestForeignAuthorityIsRefused(t *testing.T) {
	c := clocktesting.NewFakeClock(time.Now())
	dir := t.TempDir()
	open(t, dir, c)
	other := t.TempDir()
	open(t, other, c)
	data, err := os.ReadFile(filepath.Join(other, "ca.crt"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ca.crt"), data, 0o600))
	_, err = Open(Options{Dir: dir, Clock: c, Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "ca.crt is not of")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "ca.key"), []byte("x"), 0o600))
	_, err = Open(Options{Dir: dir, Clock: c, Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "ca.key")
}
