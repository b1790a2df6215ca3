// Package listen binds the listeners of Lubberline's HTTP servers and keeps
// them to one policy: loopback and unix sockets are open, every other address
// needs TLS and a bearer token; connections, header sizes and times are
// bounded everywhere.
package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"github.com/lubberline/lubberline/config"
)

// Limits of every listener. Streams (server-sent events) lift the write limit
// for themselves with http.ResponseController.
const (
	maxConnections    = 1024
	maxHeaderBytes    = 64 << 10
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 60 * time.Second
	writeTimeout      = 120 * time.Second
	idleTimeout       = 120 * time.Second
)

// Options is what a listener needs to know.
type Options struct {
	// Address is "host:port" (port 0 picks a free one) or "unix:///path".
	Address string
	Security
	Logger *slog.Logger
}

// Security is required on addresses that are not loopback.
type Security struct {
	// CertFile and KeyFile are PEM files; both or neither.
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// TokenFile holds the bearer token that clients must send.
	TokenFile string `yaml:"token_file"`
}

// Check reports whether the address may be bound with what is configured, so
// that a configuration can be refused before anything is opened.
func (s Security) Check(address string) error {
	if (s.CertFile == "") != (s.KeyFile == "") {
		return fmt.Errorf("address %q: cert_file and key_file go together", address)
	}
	return CheckPolicy(address, s.CertFile != "", s.TokenFile != "")
}

// Server is a bound listener that waits for Serve.
type Server struct {
	listener net.Listener
	token    string
	http     *http.Server
}

// New binds the address. It refuses an address beyond loopback without TLS and
// a token, and says which of them is missing.
func New(o Options) (*Server, error) {
	if err := o.Check(o.Address); err != nil {
		return nil, err
	}
	token, err := readToken(o.TokenFile)
	if err != nil {
		return nil, err
	}
	l, err := Bind(o.Address)
	if err != nil {
		return nil, err
	}
	// TLS goes around the limit: net/http speaks HTTP/2 only over what it sees
	// to be a TLS connection.
	l, err = withTLS(netutil.LimitListener(l, maxConnections), o.CertFile, o.KeyFile, "h2", "http/1.1")
	if err != nil {
		return nil, err
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Server{listener: l, token: token, http: newHTTPServer(log)}, nil
}

func newHTTPServer(log *slog.Logger) *http.Server {
	return &http.Server{
		MaxHeaderBytes:    maxHeaderBytes,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Bind opens a TCP or unix listener. A stale socket file of a dead process is
// replaced; a live one is an error.
func Bind(address string) (net.Listener, error) {
	path, isUnix := strings.CutPrefix(address, "unix://")
	if !isUnix {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w", address, err)
		}
		return l, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("listen on %s: another process answers there", address)
	}
	_ = os.Remove(path)
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return l, os.Chmod(path, 0o660)
}

// BindForward opens a listener of the forward protocol, to the same policy:
// beyond loopback it needs TLS and a shared key.
func BindForward(address, certFile, keyFile string, hasKey bool) (net.Listener, error) {
	if (certFile == "") != (keyFile == "") {
		return nil, fmt.Errorf("address %q: cert_file and key_file go together", address)
	}
	if err := CheckPolicy(address, certFile != "", hasKey); err != nil {
		return nil, err
	}
	l, err := Bind(address)
	if err != nil {
		return nil, err
	}
	return withTLS(l, certFile, keyFile)
}

// withTLS wraps a listener when there is a certificate, and closes it when that
// cannot be used.
func withTLS(l net.Listener, certFile, keyFile string, protocols ...string) (net.Listener, error) {
	if certFile == "" {
		return l, nil
	}
	certificate, err := renewed(certFile, keyFile)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: load certificate %s: %w", l.Addr(), certFile, err), l.Close())
	}
	return tls.NewListener(l, &tls.Config{GetCertificate: certificate, MinVersion: tls.VersionTLS12, NextProtos: protocols}), nil
}

// renewed reads the files for each connection, as they may be replaced. What was
// read last is shown while they cannot be used.
func renewed(certFile, keyFile string) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	first, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	var last atomic.Pointer[tls.Certificate]
	last.Store(&first)
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if pair, err := tls.LoadX509KeyPair(certFile, keyFile); err == nil {
			last.Store(&pair)
		}
		return last.Load(), nil
	}, nil
}

// CheckPolicy reports whether an address may be bound with that security; the
// forward listeners, which have a shared key in place of a token, ask it too.
func CheckPolicy(address string, hasTLS, hasSecret bool) error {
	if strings.HasPrefix(address, "unix://") || IsLoopback(address) {
		return nil
	}
	var missing []string
	if !hasTLS {
		missing = append(missing, "TLS (cert_file and key_file)")
	}
	if !hasSecret {
		missing = append(missing, "a secret (token_file, or shared_key_file for the forward protocol)")
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("address %q is not loopback and needs %s", address, strings.Join(missing, " and "))
}

// IsLoopback reports whether host:port binds to this machine alone.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func readToken(path string) (string, error) {
	token, err := config.Secret(path)
	if err != nil {
		return "", fmt.Errorf("token_file: %w", err)
	}
	if token != "" && len(token) < 16 {
		return "", fmt.Errorf("token_file %s: a token has at least 16 characters, this one has %d", path, len(token))
	}
	return token, nil
}

// Addr is the bound address; for unix sockets the path.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers requests until Shutdown.
func (s *Server) Serve(handler http.Handler) error {
	s.http.Handler = requireToken(s.token, handler)
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", s.Addr(), err)
	}
	return nil
}

// Shutdown ends the listener and waits for requests under way as long as ctx
// allows, then cuts them. It may come before Serve, which then returns at once.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.listener.Close() // for a server that never served; else closed already
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}
