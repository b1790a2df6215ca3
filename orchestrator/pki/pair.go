package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// Request is what a certificate is to say.
type Request struct {
	// Name is the file's, without its ending.
	Name string
	// User and Groups are the subject: CN and O.
	User   string
	Groups []string
	// Hosts are names and addresses that a server is reached by; without them
	// the certificate is for clients only.
	Hosts []string
}

// Pair is a certificate and its key, renewed in place. It is a
// dynamiccertificates.CertKeyContentProvider that tells its listeners.
type Pair struct {
	name    string
	request Request

	mu        sync.RWMutex
	certPEM   []byte
	keyPEM    []byte
	leaf      *x509.Certificate
	tls       *tls.Certificate
	listeners []dynamiccertificates.Listener
	renewed   []func()
}

// Pair is the certificate of that name, read from its file when it is still
// good and says what is asked for, and issued anew otherwise.
func (p *PKI) Pair(r Request) (*Pair, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if have := p.pairs[r.Name]; have != nil {
		return have, nil
	}
	pair := &Pair{name: r.Name, request: r}
	if err := p.load(pair); err != nil || pair.old(p.clock.Now()) || !pair.says(r) {
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			p.log.Warn("certificate is issued anew", "certificate", r.Name, "error", err)
		}
		if err := p.issue(pair); err != nil {
			return nil, fmt.Errorf("pki: %s: %w", r.Name, err)
		}
	}
	p.pairs[r.Name] = pair
	return pair, nil
}

func (p *PKI) load(pair *Pair) error {
	certPEM, err := os.ReadFile(p.path(pair.name + ".crt"))
	if err != nil {
		return err
	}
	keyPEM, err := os.ReadFile(p.path(pair.name + ".key"))
	if err != nil {
		return err
	}
	if err := pair.set(certPEM, keyPEM); err != nil {
		return err
	}
	return pair.leaf.CheckSignatureFrom(p.authority)
}

func (p *PKI) issue(pair *Pair) error {
	keyPEM, err := keyutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		return err
	}
	certPEM, err := p.sign(pair.request, keyPEM)
	if err != nil {
		return err
	}
	if err := WriteFile(p.path(pair.name+".key"), keyPEM, 0o600); err != nil {
		return err
	}
	if err := WriteFile(p.path(pair.name+".crt"), certPEM, 0o644); err != nil {
		return err
	}
	if err := pair.set(certPEM, keyPEM); err != nil {
		return err
	}
	pair.tell()
	return nil
}

// set parses before it replaces.
func (p *Pair) set(certPEM, keyPEM []byte) error {
	both, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return err
	}
	certs, err := cert.ParseCertsPEM(certPEM)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.certPEM, p.keyPEM, p.leaf, p.tls = certPEM, keyPEM, certs[0], &both
	return nil
}

func (p *Pair) end() time.Time {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.leaf.NotAfter
}

func (p *Pair) old(now time.Time) bool { return now.After(p.end().Add(-renewBefore)) }

// says tells whether the certificate has the subject and all hosts of r.
func (p *Pair) says(r Request) bool {
	s := p.leaf.Subject
	if s.CommonName != r.User || !slices.Equal(slices.Sorted(slices.Values(s.Organization)), slices.Sorted(slices.Values(r.Groups))) {
		return false
	}
	for _, host := range r.Hosts {
		if p.leaf.VerifyHostname(host) != nil {
			return false
		}
	}
	return true
}

// tell is called without the lock: listeners ask for the new content.
func (p *Pair) tell() {
	p.mu.RLock()
	listeners, renewed := slices.Clone(p.listeners), slices.Clone(p.renewed)
	p.mu.RUnlock()
	for _, l := range listeners {
		l.Enqueue()
	}
	for _, f := range renewed {
		f()
	}
}

// Name is the certificate's, for logs.
func (p *Pair) Name() string { return p.name }

// CurrentCertKeyContent is both in PEM.
func (p *Pair) CurrentCertKeyContent() (certificate, key []byte) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.certPEM, p.keyPEM
}

// AddListener has l told of every renewal.
func (p *Pair) AddListener(l dynamiccertificates.Listener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listeners = append(p.listeners, l)
}

// OnRenewal has f called after every renewal.
func (p *Pair) OnRenewal(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.renewed = append(p.renewed, f)
}

// Certificate is the current one, for tls.Config's GetCertificate.
func (p *Pair) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.tls, nil
}

// ClientCertificate is the current one, for tls.Config's GetClientCertificate.
func (p *Pair) ClientCertificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return p.Certificate(nil)
}

func hosts(all []string) (names []string, addresses []net.IP) {
	for _, host := range all {
		if ip := net.ParseIP(host); ip != nil {
			addresses = append(addresses, ip)
		} else {
			names = append(names, host)
		}
	}
	return names, addresses
}
