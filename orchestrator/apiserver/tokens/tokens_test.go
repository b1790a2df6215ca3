package tokens

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	clocktesting "k8s.io/utils/clock/testing"
)

const us = "https://kubernetes.default.svc.cluster.local"

// some are the objects that there are, by name.
type some struct {
	accounts map[string]*corev1.ServiceAccount
	pods     map[string]*corev1.Pod
	secrets  map[string]*corev1.Secret
	nodes    map[string]*corev1.Node
}

func find[T any](all map[string]*T, resource, name string) (*T, error) {
	if one, ok := all[name]; ok {
		return one, nil
	}
	return nil, apierrors.NewNotFound(corev1.Resource(resource), name)
}

func (s some) ServiceAccount(_ context.Context, _, name string) (*corev1.ServiceAccount, error) {
	return find(s.accounts, "serviceaccounts", name)
}

func (s some) Pod(_ context.Context, _, name string) (*corev1.Pod, error) {
	return find(s.pods, "pods", name)
}

func (s some) Secret(_ context.Context, _, name string) (*corev1.Secret, error) {
	return find(s.secrets, "secrets", name)
}

func (s some) Node(_ context.Context, name string) (*corev1.Node, error) {
	return find(s.nodes, "nodes", name)
}

func meta(name, uid string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "x", Name: name, UID: types.UID(uid)}
}

type fixture struct {
	clock         *clocktesting.FakePassiveClock
	issuer        *Issuer
	objects       some
	authenticator *Authenticator
	rest          *RequestREST
}

func setup(t *testing.T) *fixture {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	f := &fixture{clock: clocktesting.NewFakePassiveClock(time.Now()), objects: some{
		accounts: map[string]*corev1.ServiceAccount{"sa": {ObjectMeta: meta("sa", "1")}},
		pods:     map[string]*corev1.Pod{"p": {ObjectMeta: meta("p", "2"), Spec: corev1.PodSpec{ServiceAccountName: "sa", NodeName: "n"}}},
		secrets:  map[string]*corev1.Secret{"s": {ObjectMeta: meta("s", "3")}},
		nodes:    map[string]*corev1.Node{"n": {ObjectMeta: meta("n", "4")}},
	}}
	f.issuer, err = NewIssuer(us, key, f.clock)
	require.NoError(t, err)
	f.authenticator, f.rest = NewAuthenticator(f.issuer, f.objects), NewRequestREST(f.issuer, f.objects)
	return f
}

func bound(kind, name string, uid types.UID) authenticationv1.TokenRequestSpec {
	return authenticationv1.TokenRequestSpec{BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: kind, Name: name, UID: uid}}
}

func (f *fixture) request(t *testing.T, spec authenticationv1.TokenRequestSpec) (*authenticationv1.TokenRequest, error) {
	t.Helper()
	answer, err := f.rest.Create(genericrequest.WithNamespace(t.Context(), "x"), "sa", &authenticationv1.TokenRequest{Spec: spec}, nil, &metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	return answer.(*authenticationv1.TokenRequest), nil
}

func (f *fixture) token(t *testing.T, spec authenticationv1.TokenRequestSpec) string {
	t.Helper()
	answer, err := f.request(t, spec)
	require.NoError(t, err)
	require.NotEmpty(t, answer.Status.Token)
	return answer.Status.Token
}

func TestTokenSaysWhoAndWhere(t *testing.T) {
	f := setup(t)
	answer, err := f.request(t, bound("Pod", "p", "2"))
	require.NoError(t, err)
	require.WithinDuration(t, f.clock.Now().Add(time.Hour), answer.Status.ExpirationTimestamp.Time, time.Second)
	who, ok, err := f.authenticator.AuthenticateToken(t.Context(), answer.Status.Token)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "system:serviceaccount:x:sa", who.User.GetName())
	require.Equal(t, "1", who.User.GetUID())
	require.Equal(t, []string{"system:serviceaccounts", "system:serviceaccounts:x"}, who.User.GetGroups())
	extra := who.User.GetExtra()
	require.Equal(t, []string{"p"}, extra["authentication.kubernetes.io/pod-name"])
	require.Equal(t, []string{"2"}, extra["authentication.kubernetes.io/pod-uid"])
	require.Equal(t, []string{"n"}, extra["authentication.kubernetes.io/node-name"])
	require.Equal(t, []string{"4"}, extra["authentication.kubernetes.io/node-uid"])
	require.Len(t, extra["authentication.kubernetes.io/credential-id"], 1)
}

func TestTokenEnds(t *testing.T) {
	for what, end := range map[string]struct {
		spec authenticationv1.TokenRequestSpec
		do   func(f *fixture)
		want string
	}{
		"with its time":          {do: func(f *fixture) { f.clock.SetTime(f.clock.Now().Add(time.Hour + time.Second)) }, want: "service account token has expired"},
		"with its account":       {do: func(f *fixture) { delete(f.objects.accounts, "sa") }, want: `service account sa of the token: serviceaccounts "sa" not found`},
		"with its account's uid": {do: func(f *fixture) { f.objects.accounts["sa"].UID = "9" }, want: "service account UID (9) does not match claim (1)"},
		"with its pod":           {spec: bound("Pod", "p", ""), do: func(f *fixture) { delete(f.objects.pods, "p") }, want: `pod p of the token: pods "p" not found`},
		"with its secret":        {spec: bound("Secret", "s", ""), do: func(f *fixture) { delete(f.objects.secrets, "s") }, want: `secret s of the token: secrets "s" not found`},
		"with its node":          {spec: bound("Node", "n", ""), do: func(f *fixture) { delete(f.objects.nodes, "n") }, want: `node n of the token: nodes "n" not found`},
		"a minute after pod's end": {spec: bound("Pod", "p", ""), do: func(f *fixture) {
			f.objects.pods["p"].DeletionTimestamp = &metav1.Time{Time: f.clock.Now().Add(-61 * time.Second)}
		}, want: "pod p has been deleted"},
		"not before it has begun to": {do: func(f *fixture) { f.clock.SetTime(f.clock.Now().Add(-time.Hour)) }, want: "service account token is not valid yet"},
	} {
		t.Run(what, func(t *testing.T) {
			f := setup(t)
			token := f.token(t, end.spec)
			_, ok, err := f.authenticator.AuthenticateToken(t.Context(), token)
			require.NoError(t, err)
			require.True(t, ok)
			end.do(f)
			_, ok, err = f.authenticator.AuthenticateToken(t.Context(), token)
			require.False(t, ok)
			require.EqualError(t, err, end.want)
		})
	}
}

func TestTokenOfPodOutlivesItsNode(t *testing.T) {
	f := setup(t)
	token := f.token(t, bound("Pod", "p", ""))
	delete(f.objects.nodes, "n")
	f.objects.pods["p"].DeletionTimestamp = &metav1.Time{Time: f.clock.Now().Add(-59 * time.Second)}
	_, ok, err := f.authenticator.AuthenticateToken(t.Context(), token)
	require.NoError(t, err)
	require.True(t, ok)
}

func TestAudiences(t *testing.T) {
	f := setup(t)
	token := f.token(t, authenticationv1.TokenRequestSpec{Audiences: []string{"vault", "db"}})
	_, ok, err := f.authenticator.AuthenticateToken(t.Context(), token)
	require.False(t, ok)
	require.EqualError(t, err, `token audiences ["vault" "db"] is invalid for the target audiences ["https://kubernetes.default.svc.cluster.local"]`)
	who, ok, err := f.authenticator.AuthenticateToken(authenticator.WithAudiences(t.Context(), []string{"db", "x"}), token)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, authenticator.Audiences{"db"}, who.Audiences)
}

func TestRequestsThatAreRefused(t *testing.T) {
	f := setup(t)
	f.objects.pods["other"] = &corev1.Pod{ObjectMeta: meta("other", "5"), Spec: corev1.PodSpec{ServiceAccountName: "sb"}}
	short, long := int64(599), int64(1<<32+1)
	for what, c := range map[string]struct {
		spec authenticationv1.TokenRequestSpec
		want string
	}{
		"short":         {authenticationv1.TokenRequestSpec{ExpirationSeconds: &short}, "may not specify a duration less than 10 minutes"},
		"long":          {authenticationv1.TokenRequestSpec{ExpirationSeconds: &long}, "spec.expirationSeconds: Too long"},
		"no pod":        {bound("Pod", "q", ""), `pods "q" not found`},
		"another's pod": {bound("Pod", "other", ""), `cannot bind token for serviceaccount "sa" to pod running with different serviceaccount name.`},
		"old pod":       {bound("Pod", "p", "7"), "the UID in the bound object reference (7) does not match the UID in record"},
		"of a kind":     {bound("ConfigMap", "c", ""), "cannot bind token to object of type /v1, Kind=ConfigMap"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := f.request(t, c.spec)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestForgedTokens(t *testing.T) {
	f, other := setup(t), setup(t)
	_, ok, err := f.authenticator.AuthenticateToken(t.Context(), other.token(t, authenticationv1.TokenRequestSpec{}))
	require.False(t, ok)
	require.EqualError(t, err, "invalid bearer token", "our name, another key")

	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, Claims{RegisteredClaims: jwt.RegisteredClaims{
		Issuer: us, ExpiresAt: jwt.NewNumericDate(f.clock.Now().Add(time.Hour)),
	}}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	require.NoError(t, err)
	_, ok, err = f.authenticator.AuthenticateToken(t.Context(), unsigned)
	require.False(t, ok)
	require.EqualError(t, err, "invalid bearer token")

	for _, foreign := range []string{"", "a.b.c", "not a token"} {
		_, ok, err = f.authenticator.AuthenticateToken(t.Context(), foreign)
		require.False(t, ok)
		require.NoError(t, err, "others may know it")
	}
}

// TestOthersCanVerify reads the published keys as a stranger does.
func TestOthersCanVerify(t *testing.T) {
	f := setup(t)
	handler, err := f.issuer.Keys()
	require.NoError(t, err)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", KeysPath, nil))
	require.Equal(t, "application/jwk-set+json", w.Header().Get("Content-Type"))
	var set struct {
		Keys []struct{ Kid, X, Y, Alg, Crv string }
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &set))
	coordinate := func(s string) *big.Int {
		b, err := base64.RawURLEncoding.DecodeString(s)
		require.NoError(t, err)
		return new(big.Int).SetBytes(b)
	}
	public := &ecdsa.PublicKey{Curve: elliptic.P256(), X: coordinate(set.Keys[0].X), Y: coordinate(set.Keys[0].Y)}
	parsed, err := jwt.Parse(f.token(t, authenticationv1.TokenRequestSpec{}), func(token *jwt.Token) (any, error) {
		require.Equal(t, set.Keys[0].Kid, token.Header["kid"])
		return public, nil
	})
	require.NoError(t, err)
	require.True(t, parsed.Valid)

	discovery, err := f.issuer.Discovery("https://10.0.0.1:6443" + KeysPath)
	require.NoError(t, err)
	w = httptest.NewRecorder()
	discovery.ServeHTTP(w, httptest.NewRequest("GET", DiscoveryPath, nil))
	require.JSONEq(t, `{"issuer":"https://kubernetes.default.svc.cluster.local","jwks_uri":"https://10.0.0.1:6443/openid/v1/jwks",
		"response_types_supported":["id_token"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["ES256"]}`, w.Body.String())
}

func TestKeysThatCannotSign(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	_, err = NewIssuer(us, key, clocktesting.NewFakePassiveClock(time.Now()))
	require.ErrorContains(t, err, "not an ECDSA key")
}

func FuzzVerify(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(f, err)
	issuer, err := NewIssuer(us, key, clocktesting.NewFakePassiveClock(time.Now()))
	require.NoError(f, err)
	good, _, err := issuer.Issue(Kubernetes{Namespace: "x"}, "s", []string{us}, time.Hour)
	require.NoError(f, err)
	f.Add(good)
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		if claims, err := issuer.Verify(token); err == nil {
			require.Equal(t, "s", claims.Subject, "only what was signed")
		}
	})
}
