package pki

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/util/cert"
)

// hashPrefix names the only hash of an authority's key that is in use.
const hashPrefix = "sha256:"

// Hash identifies an authority by its public key, as "sha256:" and 64 hex
// digits: the same that kubeadm calls a discovery token's CA certificate hash.
func Hash(authorityPEM []byte) (string, error) {
	certs, err := cert.ParseCertsPEM(authorityPEM)
	if err != nil {
		return "", fmt.Errorf("certificate authority: %w", err)
	}
	sum := sha256.Sum256(certs[0].RawSubjectPublicKeyInfo)
	return hashPrefix + hex.EncodeToString(sum[:]), nil
}

// SignRequest issues a certificate for the key of a PEM-encoded request, whose
// signature is checked. What the certificate says is for r alone to decide: the
// subject and names in the request are not looked at. With server it is for
// servers and not for clients, so that a server's key opens nothing elsewhere.
func (p *PKI) SignRequest(requestPEM []byte, r Request, server bool) ([]byte, error) {
	block, _ := pem.Decode(requestPEM)
	if block == nil || block.Type != cert.CertificateRequestBlockType {
		return nil, errors.New("not a certificate request in PEM")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	if err := request.CheckSignature(); err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	now := p.clock.Now()
	usage := x509.ExtKeyUsageClientAuth
	if server {
		usage = x509.ExtKeyUsageServerAuth
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: r.User, Organization: r.Groups},
		NotBefore: now.Add(-slack), NotAfter: earlier(now.Add(leafLife), p.authority.NotAfter),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}, BasicConstraintsValid: true,
	}
	template.DNSNames, template.IPAddresses = hosts(r.Hosts)
	der, err := x509.CreateCertificate(rand.Reader, template, p.authority, request.PublicKey, p.authorityKey)
	if err != nil {
		return nil, err
	}
	return encode(der), nil
}

// Due says whether a certificate is to be renewed: a third of its life is left.
func Due(c *x509.Certificate, now time.Time) bool {
	return now.After(c.NotAfter.Add(-c.NotAfter.Sub(c.NotBefore) / 3))
}
