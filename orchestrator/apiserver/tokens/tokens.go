// Package tokens issues and checks the tokens of service accounts: signed,
// for an audience and a time, bound to the object that uses them.
package tokens

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"k8s.io/utils/clock"
)

// Claims are what a token says.
type Claims struct {
	jwt.RegisteredClaims
	Kubernetes Kubernetes `json:"kubernetes.io"`
}

// Kubernetes says whose token it is and what it is bound to.
type Kubernetes struct {
	Namespace      string     `json:"namespace,omitempty"`
	ServiceAccount Reference  `json:"serviceaccount"`
	Pod            *Reference `json:"pod,omitempty"`
	Secret         *Reference `json:"secret,omitempty"`
	Node           *Reference `json:"node,omitempty"`
}

// Reference is an object of the token's namespace, or a node.
type Reference struct {
	Name string `json:"name,omitempty"`
	UID  string `json:"uid,omitempty"`
}

// Issuer signs tokens with one key and verifies them. It is safe for concurrent
// use.
type Issuer struct {
	url    string
	key    crypto.Signer
	method jwt.SigningMethod
	keyID  string
	clock  clock.PassiveClock
}

// NewIssuer makes an issuer that names itself by url; key is an ECDSA key.
func NewIssuer(url string, key crypto.Signer, c clock.PassiveClock) (*Issuer, error) {
	method, err := signingMethod(key)
	if err != nil {
		return nil, err
	}
	id, err := keyID(key.Public())
	if err != nil {
		return nil, err
	}
	return &Issuer{url: url, key: key, method: method, keyID: id, clock: c}, nil
}

func signingMethod(key crypto.Signer) (jwt.SigningMethod, error) {
	public, ok := key.Public().(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("service accounts' key is a %T, not an ECDSA key", key)
	}
	switch public.Curve.Params().BitSize {
	case 256:
		return jwt.SigningMethodES256, nil
	case 384:
		return jwt.SigningMethodES384, nil
	}
	return nil, fmt.Errorf("service accounts' key has the curve %s", public.Curve.Params().Name)
}

// keyID is a fingerprint, as Kubernetes makes it.
func keyID(public crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// URL is the issuer's name, and the audience of tokens for the API itself.
func (i *Issuer) URL() string { return i.url }

// Issue signs a token for the audiences that ends after life.
func (i *Issuer) Issue(k Kubernetes, subject string, audiences []string, life time.Duration) (token string, ends time.Time, err error) {
	now := i.clock.Now()
	ends = now.Add(life)
	t := jwt.NewWithClaims(i.method, Claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: i.url, Subject: subject, Audience: audiences, ID: uuid.NewString(),
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(ends),
		},
		Kubernetes: k,
	})
	t.Header["kid"] = i.keyID
	token, err = t.SignedString(i.key)
	return token, ends, err
}

// errNotOurs is of tokens that another issuer made: others may know them.
var errNotOurs = errors.New("not issued here")

// Verify returns what a token says, when it is ours and of now.
func (i *Issuer) Verify(token string) (*Claims, error) {
	claims := &Claims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{i.method.Alg()}), jwt.WithTimeFunc(i.clock.Now), jwt.WithExpirationRequired())
	unverified := &Claims{}
	if _, _, err := parser.ParseUnverified(token, unverified); err != nil || unverified.Issuer != i.url {
		return nil, errNotOurs
	}
	_, err := parser.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return i.key.Public(), nil })
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, errors.New("service account token has expired")
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return nil, errors.New("service account token is not valid yet")
	case err != nil:
		return nil, errors.New("invalid bearer token")
	}
	return claims, nil
}
