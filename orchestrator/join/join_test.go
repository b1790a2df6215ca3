package join

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/lubberline/lubberline/orchestrator/pki"
)

// world is a control host with its objects.
type world struct {
	pki     *pki.PKI
	clock   *clocktesting.FakeClock
	http    *httptest.Server
	secrets map[string]*corev1.Secret
	nodes   map[string]bool
	seen    []string // paths that were asked for with a token
}

func (w *world) Secret(_ context.Context, _, name string) (*corev1.Secret, error) {
	if s := w.secrets[name]; s != nil {
		return s, nil
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name)
}

func (w *world) Node(_ context.Context, name string) (*corev1.Node, error) {
	if w.nodes[name] {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, nil
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "nodes"}, name)
}

var facts = Cluster{
	Pods: netip.MustParsePrefix("10.244.0.0/16"), Services: netip.MustParsePrefix("10.96.0.0/16"),
	DNS: netip.MustParseAddr("10.96.0.10"), Domain: "cluster.local", Logs: "127.0.0.1:24224", Metrics: true,
}

// newWorld serves with the real authority, and authenticates certificates as
// the API server does.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{clock: clocktesting.NewFakeClock(time.Now()), secrets: map[string]*corev1.Secret{}, nodes: map[string]bool{}}
	var err error
	w.pki, err = pki.Open(pki.Options{Dir: t.TempDir(), Clock: w.clock, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	shown, err := w.pki.Pair(pki.Request{Name: "apiserver", User: "kube-apiserver", Hosts: []string{"kubernetes", "127.0.0.1"}})
	require.NoError(t, err)
	s := NewServer(ServerOptions{Signer: w.pki, Objects: w, Cluster: facts, Clock: w.clock, Logger: slog.New(slog.DiscardHandler)})
	certificate, err := shown.Certificate(nil)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc(PathCA, s.ServeCA)
	mux.HandleFunc(PathJoin, func(rw http.ResponseWriter, r *http.Request) {
		w.seen = append(w.seen, r.URL.Path)
		if len(r.TLS.PeerCertificates) > 0 {
			subject := r.TLS.PeerCertificates[0].Subject
			r = r.WithContext(genericrequest.WithUser(r.Context(), &user.DefaultInfo{Name: subject.CommonName, Groups: subject.Organization}))
		}
		s.ServeJoin(rw, r)
	})
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(w.pki.CA())
	w.http = httptest.NewUnstartedServer(mux)
	w.http.TLS = &tls.Config{Certificates: []tls.Certificate{*certificate}, ClientCAs: clients, ClientAuth: tls.VerifyClientCertIfGiven, Time: w.clock.Now}
	w.http.StartTLS()
	t.Cleanup(w.http.Close)
	return w
}

func (w *world) token(t *testing.T, ends time.Time) Token {
	t.Helper()
	hash, err := pki.Hash(w.pki.CA())
	require.NoError(t, err)
	token, err := NewToken(hash)
	require.NoError(t, err)
	secret := NewSecret(token, "test", ends)
	secret.Data = map[string][]byte{}
	for key, value := range secret.StringData {
		secret.Data[key] = []byte(value)
	}
	w.secrets[secret.Name] = secret
	return token
}

func (w *world) join(t *testing.T, token Token, node, address string) (*Identity, error) {
	return Join(t.Context(), Options{Dir: t.TempDir(), Clock: w.clock}, w.http.URL, token, node, address)
}

func TestJoinAndOpen(t *testing.T) {
	w := newWorld(t)
	i, err := w.join(t, w.token(t, time.Time{}), "n2", "")
	require.NoError(t, err)
	require.Equal(t, Facts{Server: w.http.URL, Node: "n2", Address: netip.MustParseAddr("127.0.0.1"), Cluster: facts}, i.Facts)
	client, server := i.client.Leaf, i.server.Leaf
	require.Equal(t, "system:node:n2", client.Subject.CommonName)
	require.Equal(t, []string{"system:nodes"}, client.Subject.Organization)
	require.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, client.ExtKeyUsage)
	require.Empty(t, client.IPAddresses)
	require.NoError(t, server.VerifyHostname("127.0.0.1"))
	require.NoError(t, server.VerifyHostname("n2"))
	require.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, server.ExtKeyUsage)

	again, err := Open(i.o)
	require.NoError(t, err)
	require.Equal(t, i.Facts, again.Facts)
	w.clock.Step(366 * 24 * time.Hour)
	_, err = Open(i.o)
	require.ErrorIs(t, err, ErrNone)
	require.ErrorContains(t, err, "the certificate of node n2 has ended at")
	_, err = Open(Options{Dir: t.TempDir()})
	require.ErrorIs(t, err, ErrNone)
}

func TestRefused(t *testing.T) {
	w := newWorld(t)
	good := w.token(t, time.Time{})
	f := func(want string, token Token, node, address string) {
		t.Helper()
		_, err := w.join(t, token, node, address)
		require.ErrorContains(t, err, want)
	}
	wrongSecret := good
	wrongSecret.Secret = "aaaaaaaaaaaaaaaa"
	f("the token is not known", wrongSecret, "n2", "")
	f("the token is not known", Token{ID: "aaaaaa", Secret: good.Secret, Hash: good.Hash}, "n2", "")
	f("has expired at", w.token(t, w.clock.Now()), "n2", "")
	unused := w.token(t, time.Time{})
	w.secrets[SecretPrefix+unused.ID].Data[keyAuthenticates] = []byte("false")
	f("lets nobody in", unused, "n2", "")
	f(`node name "N2"`, good, "N2", "")
	f("the request comes from 127.0.0.1", good, "n2", "10.0.0.1")
	w.nodes["n2"] = true
	f(`a node "n2" is there already`, good, "n2", "")

	w.seen = nil
	f("is not the control host that the token is of", Token{ID: good.ID, Secret: good.Secret, Hash: "sha256:" + strings.Repeat("0", 64)}, "n3", "")
	f("without the hash", Token{ID: good.ID, Secret: good.Secret}, "n3", "")
	require.Empty(t, w.seen, "nothing secret was sent to a server that is not verified")
}

// TestNamesArePromised: between joining and registering a name has an owner.
func TestNamesArePromised(t *testing.T) {
	w := newWorld(t)
	s := NewServer(ServerOptions{Signer: w.pki, Objects: w, Clock: w.clock, Logger: slog.New(slog.DiscardHandler)})
	r := httptest.NewRequest(http.MethodPost, PathJoin, nil)
	require.NoError(t, s.reserve(r, "n2", netip.MustParseAddr("10.0.0.2")))
	require.NoError(t, s.reserve(r, "n2", netip.MustParseAddr("10.0.0.2")))
	require.ErrorContains(t, s.reserve(r, "n2", netip.MustParseAddr("10.0.0.3")), `the name "n2" has just been given to the machine 10.0.0.2`)
	w.clock.Step(promiseTime + time.Second)
	require.NoError(t, s.reserve(r, "n2", netip.MustParseAddr("10.0.0.3")))
}

// TestRenewal: at two thirds of its life, with the certificate alone, and for
// the own name only.
func TestRenewal(t *testing.T) {
	w := newWorld(t)
	i, err := w.join(t, w.token(t, time.Time{}), "n2", "")
	require.NoError(t, err)
	w.nodes["n2"] = true
	clear(w.secrets)
	first := i.client.Leaf
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- i.Run(ctx) }()
	require.Eventually(t, w.clock.HasWaiters, 5*time.Second, time.Millisecond)
	w.clock.Step(200 * 24 * time.Hour)
	require.False(t, i.due())
	w.clock.Step(60 * 24 * time.Hour)
	require.Eventually(t, func() bool { return !i.due() }, 5*time.Second, time.Millisecond)
	require.NotEqual(t, first.SerialNumber, i.current().Leaf.SerialNumber)
	require.NotEqual(t, first.PublicKey, i.current().Leaf.PublicKey)
	cancel()
	require.NoError(t, <-done)
	again, err := Open(i.o)
	require.NoError(t, err)
	require.Equal(t, i.current().Leaf.Raw, again.current().Leaf.Raw)

	_, wanted, err := newKey("n3")
	require.NoError(t, err)
	_, err = i.request(t.Context(), Request{Node: "n3", Client: wanted, Server: wanted})
	require.ErrorContains(t, err, `the certificate is that of node "n2" and renews no other's: not "n3"`)
}

func TestBadRequests(t *testing.T) {
	w := newWorld(t)
	token := w.token(t, time.Time{}).Bearer()
	f := func(want string, status int, change func(*Request)) {
		t.Helper()
		_, wanted, err := newKey("n2")
		require.NoError(t, err)
		request := Request{Token: token, Node: "n2", Client: wanted, Server: wanted}
		change(&request)
		body, err := json.Marshal(request)
		require.NoError(t, err)
		answer, err := w.http.Client().Post(w.http.URL+PathJoin, "application/json", strings.NewReader(string(body)))
		require.NoError(t, err)
		defer answer.Body.Close()
		var text strings.Builder
		require.NoError(t, answer.Write(&text))
		require.Equal(t, status, answer.StatusCode)
		require.Contains(t, text.String(), want)
	}
	f("client: not a certificate request in PEM", http.StatusBadRequest, func(r *Request) { r.Client = "rubbish" })
	f("server: not a certificate request in PEM", http.StatusBadRequest, func(r *Request) { r.Server = "" })
	f("neither a token nor a node's certificate", http.StatusUnauthorized, func(r *Request) { r.Token = "" })
	f("request: ", http.StatusBadRequest, func(r *Request) { r.Client = strings.Repeat("x", maxRequest) })
}

func TestParseToken(t *testing.T) {
	hash := strings.Repeat("a", 64)
	f := func(text, ca, want string) {
		t.Helper()
		token, err := ParseToken(text, ca)
		if err != nil {
			require.ErrorContains(t, err, want)
			return
		}
		require.Equal(t, want, token.String())
	}
	f("abcdef.0123456789abcdef", "", "abcdef.0123456789abcdef")
	f("abcdef.0123456789abcdef."+hash, "", "abcdef.0123456789abcdef."+hash)
	f("abcdef.0123456789abcdef", "sha256:"+hash, "abcdef.0123456789abcdef."+hash)
	f("abcdef.0123456789abcdef", hash, "want sha256: and 64 hex digits")
	f("abcdef.0123456789abcdef."+hash, "sha256:"+strings.Repeat("b", 64), "is not that of the token")
	f("ABCDEF.0123456789abcdef", "", "want ID.SECRET.HASH")
	f("", "", "want ID.SECRET.HASH")
}

func FuzzParseToken(f *testing.F) {
	f.Add("abcdef.0123456789abcdef", "")
	f.Add("abcdef.0123456789abcdef."+strings.Repeat("a", 64), "sha256:"+strings.Repeat("a", 64))
	f.Fuzz(func(t *testing.T, text, hash string) {
		token, err := ParseToken(text, hash)
		if err != nil {
			return
		}
		again, err := ParseToken(token.String(), "")
		require.NoError(t, err)
		require.Equal(t, token, again)
	})
}
