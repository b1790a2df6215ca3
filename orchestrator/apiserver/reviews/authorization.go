package reviews

import (
	"context"
	"fmt"
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// Authorizer decides, and lists what a user may do.
type Authorizer interface {
	Authorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error)
	authorizer.RuleResolver
}

// Authorization are the kinds of authorization.k8s.io by resource.
func Authorization(a Authorizer) map[string]rest.Storage {
	r := accessReviews{a}
	return map[string]rest.Storage{
		"subjectaccessreviews": review[*authorizationv1.SubjectAccessReview]{
			singular: "subjectaccessreview", answer: r.subject,
			empty: func() *authorizationv1.SubjectAccessReview { return &authorizationv1.SubjectAccessReview{} },
		},
		"localsubjectaccessreviews": review[*authorizationv1.LocalSubjectAccessReview]{
			singular: "localsubjectaccessreview", namespaced: true, answer: r.local,
			empty: func() *authorizationv1.LocalSubjectAccessReview { return &authorizationv1.LocalSubjectAccessReview{} },
		},
		"selfsubjectaccessreviews": review[*authorizationv1.SelfSubjectAccessReview]{
			singular: "selfsubjectaccessreview", answer: r.self,
			empty: func() *authorizationv1.SelfSubjectAccessReview { return &authorizationv1.SelfSubjectAccessReview{} },
		},
		"selfsubjectrulesreviews": review[*authorizationv1.SelfSubjectRulesReview]{
			singular: "selfsubjectrulesreview", answer: r.rules,
			empty: func() *authorizationv1.SelfSubjectRulesReview { return &authorizationv1.SelfSubjectRulesReview{} },
		},
	}
}

type accessReviews struct {
	authorizer Authorizer
}

func (r accessReviews) subject(ctx context.Context, o *authorizationv1.SubjectAccessReview) error {
	if o.Spec.User == "" && len(o.Spec.Groups) == 0 {
		return apierrors.NewBadRequest(`spec.user: Invalid value: "": at least one of user or group must be specified`)
	}
	return r.decide(ctx, subjectOf(o.Spec), o.Spec.ResourceAttributes, o.Spec.NonResourceAttributes, &o.Status)
}

func (r accessReviews) local(ctx context.Context, o *authorizationv1.LocalSubjectAccessReview) error {
	namespace := genericrequest.NamespaceValue(ctx)
	if o.Spec.ResourceAttributes == nil || o.Spec.ResourceAttributes.Namespace != namespace {
		return apierrors.NewBadRequest(fmt.Sprintf("spec.resourceAttributes.namespace must match namespace: %v", namespace))
	}
	return r.decide(ctx, subjectOf(o.Spec), o.Spec.ResourceAttributes, o.Spec.NonResourceAttributes, &o.Status)
}

func (r accessReviews) self(ctx context.Context, o *authorizationv1.SelfSubjectAccessReview) error {
	u, ok := genericrequest.UserFrom(ctx)
	if !ok {
		return apierrors.NewBadRequest("no user present on request")
	}
	return r.decide(ctx, u, o.Spec.ResourceAttributes, o.Spec.NonResourceAttributes, &o.Status)
}

func (r accessReviews) decide(ctx context.Context, u user.Info, resource *authorizationv1.ResourceAttributes,
	path *authorizationv1.NonResourceAttributes, status *authorizationv1.SubjectAccessReviewStatus,
) error {
	if (resource == nil) == (path == nil) {
		return apierrors.NewBadRequest("exactly one of nonResourceAttributes or resourceAttributes must be specified")
	}
	decision, reason, err := r.authorizer.Authorize(ctx, attributes(u, resource, path))
	*status = authorizationv1.SubjectAccessReviewStatus{
		Allowed: decision == authorizer.DecisionAllow, Denied: decision == authorizer.DecisionDeny, Reason: reason,
	}
	if err != nil {
		status.EvaluationError = err.Error()
	}
	return nil
}

func (r accessReviews) rules(ctx context.Context, o *authorizationv1.SelfSubjectRulesReview) error {
	u, ok := genericrequest.UserFrom(ctx)
	if !ok {
		return apierrors.NewBadRequest("no user present on request")
	}
	if o.Spec.Namespace == "" {
		return apierrors.NewBadRequest("no namespace on request")
	}
	ofResources, ofPaths, incomplete, err := r.authorizer.RulesFor(ctx, u, o.Spec.Namespace)
	o.Status = authorizationv1.SubjectRulesReviewStatus{
		ResourceRules: []authorizationv1.ResourceRule{}, NonResourceRules: []authorizationv1.NonResourceRule{}, Incomplete: incomplete,
	}
	for _, rule := range ofResources {
		o.Status.ResourceRules = append(o.Status.ResourceRules, authorizationv1.ResourceRule{
			Verbs: rule.GetVerbs(), APIGroups: rule.GetAPIGroups(), Resources: rule.GetResources(), ResourceNames: rule.GetResourceNames(),
		})
	}
	for _, rule := range ofPaths {
		o.Status.NonResourceRules = append(o.Status.NonResourceRules, authorizationv1.NonResourceRule{
			Verbs: rule.GetVerbs(), NonResourceURLs: rule.GetNonResourceURLs(),
		})
	}
	if err != nil {
		o.Status.EvaluationError = err.Error()
	}
	return nil
}

func subjectOf(spec authorizationv1.SubjectAccessReviewSpec) user.Info {
	u := &user.DefaultInfo{Name: spec.User, UID: spec.UID, Groups: slices.Clone(spec.Groups), Extra: map[string][]string{}}
	for key, values := range spec.Extra {
		u.Extra[key] = values
	}
	return u
}
