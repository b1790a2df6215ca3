package join

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Relay takes plain connections on a unix socket and carries them to a port of
// a control host, over TLS with the node's certificate: what this machine ships
// follows the control hosts without knowing of them.
type Relay struct {
	listener net.Listener
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	tls      *tls.Config
	address  string
	log      *slog.Logger
}

// handshakeTime bounds reaching a control host.
const handshakeTime = 10 * time.Second

// Relay listens on the socket; address has the port that is meant.
func (i *Identity) Relay(socket, address string) (*Relay, error) {
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("relay: %w", err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("relay: %w", err), l.Close())
	}
	return &Relay{
		listener: l, dial: i.servers.dial, address: address, log: i.o.Logger,
		tls: &tls.Config{
			RootCAs: i.CAs(), ServerName: serverName, MinVersion: tls.VersionTLS12,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return i.current(), nil },
		},
	}, nil
}

// Run carries connections until ctx ends.
func (r *Relay) Run(ctx context.Context) error {
	var carried sync.WaitGroup
	defer carried.Wait()
	defer context.AfterFunc(ctx, func() { _ = r.listener.Close() })()
	for {
		local, err := r.listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("relay: %w", err)
		}
		carried.Go(func() { r.carry(ctx, local) })
	}
}

// carry ends both sides when one has ended: whoever ships sends again what was
// not acknowledged.
func (r *Relay) carry(ctx context.Context, local net.Conn) {
	defer local.Close()
	remote, err := r.reach(ctx)
	if err != nil {
		r.log.Debug("no control host is reached", "address", r.address, "error", err)
		return
	}
	defer remote.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _, _ = local.Close(), remote.Close() })()
	var upward sync.WaitGroup
	upward.Go(func() {
		defer cancel()
		_, _ = io.Copy(remote, local)
	})
	_, _ = io.Copy(local, remote)
	cancel()
	upward.Wait()
}

func (r *Relay) reach(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	conn, err := r.dial(ctx, "tcp", r.address)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, r.tls)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secured, nil
}
