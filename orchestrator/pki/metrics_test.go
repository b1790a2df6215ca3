package pki

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

func TestMetricsTellWhenCertificatesEnd(t *testing.T) {
	p, err := Open(Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	pair, err := p.Pair(Request{Name: "apiserver", User: "kube-apiserver"})
	require.NoError(t, err)
	ends := map[string]time.Time{}
	for name, end := range p.Ends() {
		ends[name] = end
	}
	require.Equal(t, map[string]time.Time{"ca": p.authority.NotAfter, "apiserver": pair.end()}, ends)
	require.Equal(t, 2, testutil.CollectAndCount(Expiry(p.Ends)))
}
