package listen

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// certificate makes one for 127.0.0.1 and returns its files, and who trusts it.
func certificate(t *testing.T) (Security, *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	key, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	s := Security{CertFile: filepath.Join(t.TempDir(), "crt"), KeyFile: filepath.Join(t.TempDir(), "key")}
	require.NoError(t, os.WriteFile(s.CertFile, certPEM, 0o600))
	require.NoError(t, os.WriteFile(s.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(certPEM))
	return s, roots
}

// Clients that can speak HTTP/2 offer it, and then must be spoken to in it.
func TestBothHTTPVersionsOverTLS(t *testing.T) {
	security, roots := certificate(t)
	s := serve(t, Options{Address: "127.0.0.1:0", Security: security}, hello)
	for _, version := range []int{1, 2} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: version == 2}
		if version == 1 {
			transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.Addr().String()+"/", nil)
		require.NoError(t, err)
		resp, err := transport.RoundTrip(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, "hello", string(body))
		require.Equal(t, version, resp.ProtoMajor)
		transport.CloseIdleConnections()
	}
}

func TestCertificatesThatCannotBeUsed(t *testing.T) {
	security, _ := certificate(t)
	_, err := New(Options{Address: "127.0.0.1:0", Security: Security{CertFile: security.CertFile}})
	require.ErrorContains(t, err, "cert_file and key_file go together")
	_, err = BindForward("127.0.0.1:0", security.CertFile, "", true)
	require.ErrorContains(t, err, "cert_file and key_file go together")
	_, err = BindForward("127.0.0.1:0", security.CertFile, security.CertFile, true)
	require.ErrorContains(t, err, "load certificate "+security.CertFile)
	l, err := BindForward("127.0.0.1:0", security.CertFile, security.KeyFile, true)
	require.NoError(t, err)
	require.NoError(t, l.Close())
}
