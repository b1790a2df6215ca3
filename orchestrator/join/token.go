// Package join lets other machines into the cluster: the tokens by which they
// are let in, the certificates that they get in exchange, and both sides of the
// conversation.
//
// A machine verifies the server by the hash of the cluster's authority before it
// says anything secret. With a token it gets a client certificate of the name
// that it asks for, when no node has it; later ones it gets by the certificate.
package join

import (
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What Kubernetes calls the Secrets of bootstrap tokens and what is in them.
const (
	SecretPrefix                       = "bootstrap-token-"
	SecretType       corev1.SecretType = "bootstrap.kubernetes.io/token"
	keyID                              = "token-id"
	keySecret                          = "token-secret"
	keyExpiration                      = "expiration"
	keyDescription                     = "description"
	keyAuthenticates                   = "usage-bootstrap-authentication"
)

// Token is what a machine shows to be let in: "id.secret", and the hash of the
// cluster's authority, "id.secret.hash" in one string.
type Token struct {
	// ID is 6 and Secret 16 characters of a-z and 0-9.
	ID, Secret string
	// Hash is as pki.Hash makes it, or empty when it was not given.
	Hash string
}

var tokenForm = regexp.MustCompile(`^([a-z0-9]{6})\.([a-z0-9]{16})(?:\.([0-9a-f]{64}))?$`)

// ParseToken reads both forms of a token; hash, if not empty, is the one of the
// command line and must not contradict that of the token.
func ParseToken(text, hash string) (Token, error) {
	parts := tokenForm.FindStringSubmatch(text)
	if parts == nil {
		return Token{}, errors.New("token: want ID.SECRET.HASH, or ID.SECRET beside a CA hash, as `lubberline token create` prints it")
	}
	t := Token{ID: parts[1], Secret: parts[2]}
	if parts[3] != "" {
		t.Hash = "sha256:" + parts[3]
	}
	if hash == "" {
		return t, nil
	}
	if !regexp.MustCompile(`^sha256:[0-9a-f]{64}$`).MatchString(hash) {
		return Token{}, fmt.Errorf("CA hash %q: want sha256: and 64 hex digits", hash)
	}
	if t.Hash != "" && t.Hash != hash {
		return Token{}, fmt.Errorf("CA hash %q is not that of the token, %q", hash, t.Hash)
	}
	t.Hash = hash
	return t, nil
}

// Bearer is what is sent to the server.
func (t Token) Bearer() string { return t.ID + "." + t.Secret }

// String is both in one.
func (t Token) String() string {
	if t.Hash == "" {
		return t.Bearer()
	}
	return t.Bearer() + "." + strings.TrimPrefix(t.Hash, "sha256:")
}

// NewToken makes one at random.
func NewToken(hash string) (Token, error) {
	const letters = "abcdefghijklmnopqrstuvwxyz234567" // 32, so that all are as likely
	raw := make([]byte, 22)
	if _, err := rand.Read(raw); err != nil {
		return Token{}, err
	}
	for i, b := range raw {
		raw[i] = letters[b%32]
	}
	return Token{ID: string(raw[:6]), Secret: string(raw[6:]), Hash: hash}, nil
}

// NewSecret is the object that a token is kept in, in kube-system; ends is zero
// for one that does not end.
func NewSecret(t Token, description string, ends time.Time) *corev1.Secret {
	data := map[string]string{keyID: t.ID, keySecret: t.Secret, keyAuthenticates: "true"}
	if !ends.IsZero() {
		data[keyExpiration] = ends.UTC().Format(time.RFC3339)
	}
	if description != "" {
		data[keyDescription] = description
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: SecretPrefix + t.ID, Namespace: metav1.NamespaceSystem}, Type: SecretType, StringData: data,
	}
}

// Kept is a token as it is stored.
type Kept struct {
	Token
	Description string
	Ends        time.Time // zero for never
	// LetsIn is false when the Secret says that it is of no use for this.
	LetsIn bool
}

// ReadSecret reads a token from its Secret.
func ReadSecret(s *corev1.Secret) (Kept, error) {
	k := Kept{
		Token:       Token{ID: string(s.Data[keyID]), Secret: string(s.Data[keySecret])},
		Description: string(s.Data[keyDescription]), LetsIn: string(s.Data[keyAuthenticates]) == "true",
	}
	if s.Type != SecretType || s.Name != SecretPrefix+k.ID || !tokenForm.MatchString(k.Bearer()) {
		return Kept{}, fmt.Errorf("secret %s is no bootstrap token", s.Name)
	}
	if text := string(s.Data[keyExpiration]); text != "" {
		ends, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return Kept{}, fmt.Errorf("secret %s: expiration: %w", s.Name, err)
		}
		k.Ends = ends
	}
	return k, nil
}

// Ended says whether the token's time is over.
func (k Kept) Ended(now time.Time) bool { return !k.Ends.IsZero() && !now.Before(k.Ends) }
