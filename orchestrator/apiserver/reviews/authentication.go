package reviews

import (
	"context"
	"slices"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// Authentication are the kinds of authentication.k8s.io by resource. authenticate
// knows bearer tokens; audiences are the API's own.
func Authentication(authenticate authenticator.Token, audiences authenticator.Audiences) map[string]rest.Storage {
	t := tokenReviews{authenticate: authenticate, audiences: audiences}
	return map[string]rest.Storage{
		"tokenreviews": review[*authenticationv1.TokenReview]{
			singular: "tokenreview", empty: func() *authenticationv1.TokenReview { return &authenticationv1.TokenReview{} }, answer: t.answer,
		},
		"selfsubjectreviews": review[*authenticationv1.SelfSubjectReview]{
			singular: "selfsubjectreview", empty: func() *authenticationv1.SelfSubjectReview { return &authenticationv1.SelfSubjectReview{} }, answer: whoAmI,
		},
	}
}

type tokenReviews struct {
	authenticate authenticator.Token
	audiences    authenticator.Audiences
}

func (t tokenReviews) answer(ctx context.Context, r *authenticationv1.TokenReview) error {
	if r.Namespace != "" {
		return apierrors.NewBadRequest("namespace is not allowed on this type: " + r.Namespace)
	}
	if r.Spec.Token == "" {
		return apierrors.NewBadRequest("token is required for TokenReview in authentication")
	}
	audiences := authenticator.Audiences(r.Spec.Audiences)
	if len(audiences) == 0 {
		audiences = t.audiences
	}
	answer, ok, err := t.authenticate.AuthenticateToken(authenticator.WithAudiences(ctx, audiences), r.Spec.Token)
	r.Status = authenticationv1.TokenReviewStatus{Authenticated: ok}
	if err != nil {
		r.Status.Error = err.Error()
	}
	if answer != nil && answer.User != nil {
		r.Status.User = info(answer.User)
		r.Status.Audiences = slices.Clone(answer.Audiences)
	}
	return nil
}

func whoAmI(ctx context.Context, r *authenticationv1.SelfSubjectReview) error {
	u, ok := genericrequest.UserFrom(ctx)
	if !ok {
		return apierrors.NewBadRequest("no user present on request")
	}
	r.Status.UserInfo = info(u)
	return nil
}

func info(u user.Info) authenticationv1.UserInfo {
	out := authenticationv1.UserInfo{Username: u.GetName(), UID: u.GetUID(), Groups: u.GetGroups()}
	for key, values := range u.GetExtra() {
		if out.Extra == nil {
			out.Extra = map[string]authenticationv1.ExtraValue{}
		}
		out.Extra[key] = values
	}
	return out
}
