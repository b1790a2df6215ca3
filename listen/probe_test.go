package listen

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProbeAsksTheServerThatIsConfigured(t *testing.T) {
	well := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			http.Error(w, "no figures yet", http.StatusServiceUnavailable)
		}
	})
	secured, _ := certificate(t)
	secured.TokenFile = writeToken(t, "a token of this test")
	f := func(o Options, bound func(*Server) string) {
		t.Helper()
		s := serve(t, o, well)
		o.Address = bound(s)
		require.NoError(t, Probe(t.Context(), o, "/healthz"))
		require.ErrorContains(t, Probe(t.Context(), o, "/ready"), "503 Service Unavailable: no figures yet")
	}
	f(Options{Address: "127.0.0.1:0"}, func(s *Server) string { return s.Addr().String() })
	f(Options{Address: "127.0.0.1:0", Security: secured}, func(s *Server) string { return s.Addr().String() })
	f(Options{Address: "0.0.0.0:0", Security: secured}, func(s *Server) string { return s.Addr().String() })
	path := filepath.Join(t.TempDir(), "s.sock")
	f(Options{Address: "unix://" + path}, func(*Server) string { return "unix://" + path })

	another, _ := certificate(t)
	s := serve(t, Options{Address: "127.0.0.1:0", Security: secured}, well)
	another.TokenFile = secured.TokenFile
	err := Probe(t.Context(), Options{Address: s.Addr().String(), Security: another}, "/healthz")
	require.ErrorContains(t, err, "the server shows another certificate than "+another.CertFile)
	require.ErrorContains(t, Probe(t.Context(), Options{}, "/healthz"), "no address is configured")
	require.ErrorContains(t, Probe(t.Context(), Options{Address: "127.0.0.1:1"}, "/healthz"), "connection refused")
}

func TestCertificatesAreRenewedWithoutARestart(t *testing.T) {
	security, _ := certificate(t)
	s := serve(t, Options{Address: "127.0.0.1:0", Security: security}, hello)
	o := Options{Address: s.Addr().String(), Security: security}
	require.NoError(t, Probe(t.Context(), o, "/"))

	other, _ := certificate(t)
	require.NoError(t, os.Rename(other.CertFile, security.CertFile))
	old := Options{Address: o.Address, Security: Security{CertFile: security.CertFile, KeyFile: other.KeyFile}}
	require.ErrorContains(t, Probe(t.Context(), old, "/"), "shows another certificate", "the key is not there yet: the old one goes on")
	require.NoError(t, os.Rename(other.KeyFile, security.KeyFile))
	require.NoError(t, Probe(t.Context(), o, "/"))
}
