package server

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	x509request "k8s.io/apiserver/pkg/authentication/request/x509"
	tokencache "k8s.io/apiserver/pkg/authentication/token/cache"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/kubernetes"
)

// How long the API server's answers are believed.
const (
	tokenTTL      = 2 * time.Minute
	allowedTTL    = 5 * time.Minute
	deniedTTL     = 30 * time.Second
	reviewTimeout = 10 * time.Second
	maxDecisions  = 1000
)

// auth finds out who asks and whether they may. Everybody may ask nothing:
// there are no anonymous users.
type auth struct {
	node      string
	client    kubernetes.Interface
	users     []authenticator.Request
	decisions *cache.LRUExpireCache // access to bool
}

// access is one thing that somebody wants to do.
type access struct{ user, groups, extra, verb, subresource string }

func newAuth(o Options) *auth {
	a := &auth{node: o.NodeName, client: o.Client, decisions: cache.NewLRUExpireCache(maxDecisions)}
	if o.ClientCAs != nil {
		a.users = append(a.users, x509request.NewDynamic(func() (x509.VerifyOptions, bool) {
			verify := x509request.DefaultVerifyOptions()
			verify.Roots = o.ClientCAs()
			return verify, verify.Roots != nil
		}, x509request.CommonNameUserConversion))
	}
	a.users = append(a.users, bearertoken.New(tokencache.New(tokens{o.Client}, false, tokenTTL, tokenTTL)))
	return a
}

// tokens asks the API server whose a token is.
type tokens struct{ client kubernetes.Interface }

func (t tokens) AuthenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	got, err := t.client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
	if err != nil {
		return nil, false, err
	}
	if !got.Status.Authenticated {
		return nil, false, nil
	}
	extra := map[string][]string{}
	for k, v := range got.Status.User.Extra {
		extra[k] = v
	}
	u := got.Status.User
	return &authenticator.Response{User: &user.DefaultInfo{Name: u.Username, UID: u.UID, Groups: u.Groups, Extra: extra}}, true, nil
}

// require lets those through to next who are known and may do what they ask.
func (a *auth) require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := a.who(r)
		if who == nil {
			if err != nil {
				err = fmt.Errorf("unauthorized: %w", err)
			} else {
				err = fmt.Errorf("unauthorized")
			}
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		verb, subresources := attributes(r)
		allowed, err := a.may(r.Context(), who, verb, subresources)
		switch {
		case err != nil:
			http.Error(w, fmt.Sprintf("Authorization error (user=%s, verb=%s, resource=nodes, subresource(s)=%v)", who.GetName(), verb, subresources), http.StatusInternalServerError)
		case !allowed:
			http.Error(w, fmt.Sprintf("Forbidden (user=%s, verb=%s, resource=nodes, subresource(s)=%v)", who.GetName(), verb, subresources), http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (a *auth) who(r *http.Request) (user.Info, error) {
	var failed error
	for _, m := range a.users {
		resp, ok, err := m.AuthenticateRequest(r)
		if ok {
			return resp.User, nil
		}
		if err != nil {
			failed = err
		}
	}
	return nil, failed
}

// attributes names the request as access to parts of the node object; one of
// them suffices.
func attributes(r *http.Request) (verb string, subresources []string) {
	verb = map[string]string{"POST": "create", "GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[r.Method]
	for _, fine := range []struct{ path, subresource string }{{"/pods", "pods"}, {"/runningpods", "pods"}, {"/healthz", "healthz"}} {
		if isBelow(r.URL.Path, fine.path) {
			subresources = append(subresources, fine.subresource)
		}
	}
	for _, coarse := range []struct{ path, subresource string }{{"/stats", "stats"}, {"/metrics", "metrics"}, {"/logs", "log"}} {
		if isBelow(r.URL.Path, coarse.path) {
			return verb, append(subresources, coarse.subresource)
		}
	}
	return verb, append(subresources, "proxy")
}

func isBelow(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// may asks for each subresource until one is allowed. Administrators are not
// asked about: they must get in while the API server is away, too.
func (a *auth) may(ctx context.Context, who user.Info, verb string, subresources []string) (bool, error) {
	if slices.Contains(who.GetGroups(), user.SystemPrivilegedGroup) {
		return true, nil
	}
	var failed error
	for _, s := range subresources {
		allowed, err := a.decide(ctx, who, verb, s)
		if allowed {
			return true, nil
		}
		if err != nil {
			failed = err
		}
	}
	return false, failed
}

func (a *auth) decide(ctx context.Context, who user.Info, verb, subresource string) (bool, error) {
	key := access{who.GetName(), strings.Join(who.GetGroups(), "\x00"), fmt.Sprint(who.GetExtra()), verb, subresource}
	if known, ok := a.decisions.Get(key); ok {
		return known.(bool), nil
	}
	extra := map[string]authorizationv1.ExtraValue{}
	for k, v := range who.GetExtra() {
		extra[k] = v
	}
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	got, err := a.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: who.GetName(), UID: who.GetUID(), Groups: who.GetGroups(), Extra: extra,
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Version: "v1", Resource: "nodes", Subresource: subresource, Name: a.node},
		}}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	ttl := deniedTTL
	if got.Status.Allowed {
		ttl = allowedTTL
	}
	a.decisions.Add(key, got.Status.Allowed, ttl)
	return got.Status.Allowed, nil
}
