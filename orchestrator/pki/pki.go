// Package pki makes and renews the cluster's certificates: a certificate
// authority of its own, what the API server and the kubelet show, what their
// clients show, kubeconfig files and the key that signs service-account tokens.
package pki

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/utils/clock"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 365 * 24 * time.Hour
	// renewBefore is how much of a leaf's life is left when it is renewed.
	renewBefore = leafLife / 3
	lookEvery   = time.Hour
	// slack is how far other machines' clocks may be behind ours.
	slack = 5 * time.Minute
)

// Options say where the certificates are and which there are.
type Options struct {
	// Dir is made, with mode 0700, when it is not there.
	Dir    string
	Clock  clock.WithTicker // nil is the system's
	Logger *slog.Logger
}

// PKI is a certificate authority and what it has issued. Its methods are safe
// for concurrent use.
type PKI struct {
	dir   string
	clock clock.WithTicker
	log   *slog.Logger

	authority    *x509.Certificate
	authorityKey crypto.Signer
	authorityPEM []byte
	tokenKey     crypto.Signer

	mu    sync.Mutex
	pairs map[string]*Pair // by name
}

// Open reads the authority and the token key, or makes them at the first start.
func Open(o Options) (*PKI, error) {
	p := &PKI{dir: o.Dir, clock: o.Clock, log: o.Logger, pairs: map[string]*Pair{}}
	if p.clock == nil {
		p.clock = clock.RealClock{}
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	if err := p.openAuthority(); err != nil {
		return nil, fmt.Errorf("pki: certificate authority: %w", err)
	}
	var err error
	if p.tokenKey, err = p.openKey("service-account.key"); err != nil {
		return nil, fmt.Errorf("pki: service accounts' key: %w", err)
	}
	return p, nil
}

func (p *PKI) path(name string) string { return filepath.Join(p.dir, name) }

// CA is the authority's certificate in PEM.
func (p *PKI) CA() []byte { return p.authorityPEM }

// CAFile is where CA is.
func (p *PKI) CAFile() string { return p.path("ca.crt") }

// TokenKey signs service-account tokens.
func (p *PKI) TokenKey() crypto.Signer { return p.tokenKey }

// ClientCA verifies client certificates.
func (p *PKI) ClientCA() (dynamiccertificates.CAContentProvider, error) {
	return dynamiccertificates.NewStaticCAContent("cluster", p.authorityPEM)
}

// Run renews what comes near its end, without anyone restarting, until ctx ends.
func (p *PKI) Run(ctx context.Context) error {
	ticks := p.clock.NewTicker(lookEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C():
			p.renew()
		}
	}
}

func (p *PKI) renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pair := range p.pairs {
		if !pair.old(p.clock.Now()) {
			continue
		}
		if err := p.issue(pair); err != nil {
			p.log.Error("certificate is not renewed", "certificate", pair.name, "ends", pair.end(), "error", err)
			continue
		}
		p.log.Info("certificate renewed", "certificate", pair.name, "ends", pair.end())
	}
}

func (p *PKI) openAuthority() error {
	key, err := p.openKey("ca.key")
	if err != nil {
		return err
	}
	p.authorityKey = key
	p.authorityPEM, err = os.ReadFile(p.CAFile())
	if os.IsNotExist(err) {
		p.authorityPEM, err = p.makeAuthority(key)
	}
	if err != nil {
		return err
	}
	certs, err := cert.ParseCertsPEM(p.authorityPEM)
	if err != nil {
		return fmt.Errorf("%s: %w", p.CAFile(), err)
	}
	p.authority = certs[0]
	if !samePublicKey(p.authority.PublicKey, key.Public()) {
		return fmt.Errorf("%s is not of %s", p.CAFile(), p.path("ca.key"))
	}
	return nil
}

// openKey reads a private key, or makes one when the file is not there.
func (p *PKI) openKey(name string) (crypto.Signer, error) {
	path := p.path(name)
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		if data, err = keyutil.MakeEllipticPrivateKeyPEM(); err == nil {
			err = WriteFile(path, data, 0o600)
		}
	}
	if err != nil {
		return nil, err
	}
	key, err := keyutil.ParsePrivateKeyPEM(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s: a %T cannot sign", path, key)
	}
	return signer, nil
}

func samePublicKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
