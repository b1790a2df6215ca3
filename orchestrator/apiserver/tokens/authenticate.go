package tokens

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
)

// Objects are what tokens are of and bound to. An object that is not there is
// an error; what is returned is only read.
type Objects interface {
	ServiceAccount(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error)
	Pod(ctx context.Context, namespace, name string) (*corev1.Pod, error)
	Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error)
	Node(ctx context.Context, name string) (*corev1.Node, error)
}

// leeway is how long after its object's deletion a token is still good: the
// pod ends meanwhile and may need it.
const leeway = 60 * time.Second

// Authenticator knows the users of tokens.
type Authenticator struct {
	issuer  *Issuer
	objects Objects
}

var _ authenticator.Token = (*Authenticator)(nil)

// NewAuthenticator accepts the issuer's tokens while their objects are there.
func NewAuthenticator(issuer *Issuer, objects Objects) *Authenticator {
	return &Authenticator{issuer: issuer, objects: objects}
}

// AuthenticateToken says who a token is of. The context may ask for audiences;
// otherwise the token must be for the API itself.
func (a *Authenticator) AuthenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	claims, err := a.issuer.Verify(token)
	if errors.Is(err, errNotOurs) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	wanted, asked := authenticator.AudiencesFrom(ctx)
	if !asked {
		wanted = authenticator.Audiences{a.issuer.URL()}
	}
	audiences := authenticator.Audiences(claims.Audience).Intersect(wanted)
	if len(audiences) == 0 {
		return nil, false, fmt.Errorf("token audiences %q is invalid for the target audiences %q", []string(claims.Audience), []string(wanted))
	}
	info, err := a.check(ctx, claims)
	if err != nil {
		return nil, false, err
	}
	return &authenticator.Response{User: info.UserInfo(), Audiences: audiences}, true, nil
}

// check sees that the account and what the token is bound to are still those of
// the time when it was issued.
func (a *Authenticator) check(ctx context.Context, c *Claims) (*serviceaccount.ServiceAccountInfo, error) {
	k := c.Kubernetes
	if c.Subject != serviceaccount.MakeUsername(k.Namespace, k.ServiceAccount.Name) {
		return nil, errors.New("service account token claims do not agree")
	}
	account, err := a.objects.ServiceAccount(ctx, k.Namespace, k.ServiceAccount.Name)
	if err := a.alive("service account", k.ServiceAccount, account, err); err != nil {
		return nil, err
	}
	info := &serviceaccount.ServiceAccountInfo{
		Namespace: k.Namespace, Name: k.ServiceAccount.Name, UID: k.ServiceAccount.UID, CredentialID: "JTI=" + c.ID,
	}
	if k.Secret != nil {
		secret, err := a.objects.Secret(ctx, k.Namespace, k.Secret.Name)
		if err := a.alive("secret", *k.Secret, secret, err); err != nil {
			return nil, err
		}
	}
	if k.Pod != nil {
		pod, err := a.objects.Pod(ctx, k.Namespace, k.Pod.Name)
		if err := a.alive("pod", *k.Pod, pod, err); err != nil {
			return nil, err
		}
		info.PodName, info.PodUID = k.Pod.Name, k.Pod.UID
	}
	return info, a.checkNode(ctx, k, info)
}

// checkNode: a token of a pod only remembers where that was, one that is bound
// to the node alone ends with it.
func (a *Authenticator) checkNode(ctx context.Context, k Kubernetes, info *serviceaccount.ServiceAccountInfo) error {
	if k.Node == nil {
		return nil
	}
	info.NodeName, info.NodeUID = k.Node.Name, k.Node.UID
	if k.Pod != nil {
		return nil
	}
	node, err := a.objects.Node(ctx, k.Node.Name)
	return a.alive("node", *k.Node, node, err)
}

func (a *Authenticator) alive(what string, want Reference, have metav1.Object, err error) error {
	if err != nil {
		return fmt.Errorf("%s %s of the token: %w", what, want.Name, err)
	}
	if string(have.GetUID()) != want.UID {
		return fmt.Errorf("%s UID (%s) does not match claim (%s)", what, have.GetUID(), want.UID)
	}
	if at := have.GetDeletionTimestamp(); at != nil && a.issuer.clock.Now().After(at.Add(leeway)) {
		return fmt.Errorf("%s %s has been deleted", what, want.Name)
	}
	return nil
}
