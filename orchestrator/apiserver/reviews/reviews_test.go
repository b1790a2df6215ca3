package reviews

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// onlyPods allows ann to look at pods of one node.
type onlyPods struct{}

func (onlyPods) Authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	if a.GetName() == "broken" {
		return authorizer.DecisionNoOpinion, "", errors.New("store is away")
	}
	fields, _ := a.GetFieldSelector()
	if a.GetUser().GetName() == "ann" && a.GetResource() == "pods" && len(fields) == 1 && fields[0].Value == "n" {
		return authorizer.DecisionAllow, "because", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

func (onlyPods) RulesFor(context.Context, user.Info, string) ([]authorizer.ResourceRuleInfo, []authorizer.NonResourceRuleInfo, bool, error) {
	return []authorizer.ResourceRuleInfo{&authorizer.DefaultResourceRuleInfo{Verbs: []string{"get"}, Resources: []string{"pods"}}},
		[]authorizer.NonResourceRuleInfo{&authorizer.DefaultNonResourceRuleInfo{Verbs: []string{"get"}, NonResourceURLs: []string{"/healthz"}}}, true, nil
}

func ask[T runtime.Object](t *testing.T, storages map[string]rest.Storage, resource string, obj T) (T, error) {
	t.Helper()
	ctx := genericrequest.WithNamespace(genericrequest.WithUser(t.Context(), &user.DefaultInfo{Name: "ann", UID: "1", Groups: []string{"g"}}), "x")
	answer, err := storages[resource].(rest.Creater).Create(ctx, obj, nil, &metav1.CreateOptions{})
	if err != nil {
		var none T
		return none, err
	}
	return answer.(T), nil
}

func podsOf(node string) *authorizationv1.ResourceAttributes {
	return &authorizationv1.ResourceAttributes{Namespace: "x", Verb: "list", Resource: "pods", FieldSelector: &authorizationv1.FieldSelectorAttributes{
		Requirements: []metav1.FieldSelectorRequirement{{Key: "spec.nodeName", Operator: metav1.FieldSelectorOpIn, Values: []string{node}}},
	}}
}

func TestAccessReviews(t *testing.T) {
	all := Authorization(onlyPods{})
	self, err := ask(t, all, "selfsubjectaccessreviews", &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: podsOf("n")}})
	require.NoError(t, err)
	require.Equal(t, authorizationv1.SubjectAccessReviewStatus{Allowed: true, Reason: "because"}, self.Status)

	other, err := ask(t, all, "subjectaccessreviews", &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: "bob", ResourceAttributes: podsOf("n")}})
	require.NoError(t, err)
	require.False(t, other.Status.Allowed)

	local, err := ask(t, all, "localsubjectaccessreviews", &authorizationv1.LocalSubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: "ann", ResourceAttributes: podsOf("m")}})
	require.NoError(t, err)
	require.False(t, local.Status.Allowed)

	broken, err := ask(t, all, "selfsubjectaccessreviews", &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Name: "broken"},
	}})
	require.NoError(t, err)
	require.Equal(t, "store is away", broken.Status.EvaluationError)
}

func TestAccessReviewsThatAskNothing(t *testing.T) {
	all := Authorization(onlyPods{})
	_, err := ask(t, all, "selfsubjectaccessreviews", &authorizationv1.SelfSubjectAccessReview{})
	require.ErrorContains(t, err, "exactly one of nonResourceAttributes or resourceAttributes must be specified")
	_, err = ask(t, all, "subjectaccessreviews", &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{ResourceAttributes: podsOf("n")}})
	require.ErrorContains(t, err, "at least one of user or group must be specified")
	elsewhere := podsOf("n")
	elsewhere.Namespace = "y"
	_, err = ask(t, all, "localsubjectaccessreviews", &authorizationv1.LocalSubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: "ann", ResourceAttributes: elsewhere}})
	require.ErrorContains(t, err, "must match namespace: x")
	_, err = ask(t, all, "selfsubjectrulesreviews", &authorizationv1.SelfSubjectRulesReview{})
	require.ErrorContains(t, err, "no namespace on request")
}

func TestRulesReview(t *testing.T) {
	answer, err := ask(t, Authorization(onlyPods{}), "selfsubjectrulesreviews", &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: "x"}})
	require.NoError(t, err)
	require.True(t, answer.Status.Incomplete)
	require.Equal(t, []string{"pods"}, answer.Status.ResourceRules[0].Resources)
	require.Equal(t, []string{"/healthz"}, answer.Status.NonResourceRules[0].NonResourceURLs)
}

func TestTokenReviews(t *testing.T) {
	known := authenticator.TokenFunc(func(ctx context.Context, token string) (*authenticator.Response, bool, error) {
		audiences, _ := authenticator.AudiencesFrom(ctx)
		switch token {
		case "good":
			return &authenticator.Response{User: &user.DefaultInfo{Name: "bob", Extra: map[string][]string{"k": {"v"}}}, Audiences: audiences}, true, nil
		case "old":
			return nil, false, errors.New("has expired")
		}
		return nil, false, nil
	})
	all := Authentication(known, authenticator.Audiences{"us"})
	review := func(token string, audiences ...string) authenticationv1.TokenReviewStatus {
		answer, err := ask(t, all, "tokenreviews", &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: audiences}})
		require.NoError(t, err)
		return answer.Status
	}
	require.Equal(t, authenticationv1.TokenReviewStatus{
		Authenticated: true, User: authenticationv1.UserInfo{Username: "bob", Extra: map[string]authenticationv1.ExtraValue{"k": {"v"}}}, Audiences: []string{"us"},
	}, review("good"))
	require.Equal(t, []string{"vault"}, review("good", "vault").Audiences)
	require.Equal(t, authenticationv1.TokenReviewStatus{Error: "has expired"}, review("old"))
	require.Equal(t, authenticationv1.TokenReviewStatus{}, review("strange"))
	_, err := ask(t, all, "tokenreviews", &authenticationv1.TokenReview{})
	require.ErrorContains(t, err, "token is required for TokenReview in authentication")

	who, err := ask(t, all, "selfsubjectreviews", &authenticationv1.SelfSubjectReview{})
	require.NoError(t, err)
	require.Equal(t, authenticationv1.UserInfo{Username: "ann", UID: "1", Groups: []string{"g"}}, who.Status.UserInfo)
}
