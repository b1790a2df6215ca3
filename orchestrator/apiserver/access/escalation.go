package access

import (
	"context"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	rbaccovers "k8s.io/component-helpers/auth/rbac/validation"
)

// Escalation is an admission plug-in: nobody gives by roles and bindings what
// he does not have, unless he may "escalate" the role or "bind" it. The rules
// and the words are those of Kubernetes' RBAC.
type Escalation struct {
	*admission.Handler
	rights *Authorizer
}

var _ admission.ValidationInterface = (*Escalation)(nil)

// NewEscalation makes the plug-in.
func NewEscalation(rights *Authorizer) *Escalation {
	return &Escalation{admission.NewHandler(admission.Create, admission.Update), rights}
}

// Validate looks at roles and bindings only.
func (e *Escalation) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetResource().Group != rbacv1.GroupName || slices.Contains(a.GetUserInfo().GetGroups(), user.SystemPrivilegedGroup) {
		return nil
	}
	rules, verb, ref, err := e.given(a)
	if err != nil {
		return admission.NewForbidden(a, err)
	}
	if len(rules) == 0 {
		return nil
	}
	allowed, _, err := e.rights.Authorize(ctx, permission(a, verb, ref))
	if err != nil {
		return admission.NewForbidden(a, err)
	}
	if allowed == authorizer.DecisionAllow {
		return nil
	}
	return e.holds(a, rules)
}

// given are the rules that the request gives away, none where it changes
// nothing of that; verb and ref are what it takes to do it nevertheless.
func (e *Escalation) given(a admission.Attributes) (rules []rbacv1.PolicyRule, verb string, ref rbacv1.RoleRef, err error) {
	switch o := a.GetObject().(type) {
	case *rbacv1.Role:
		if old, ok := a.GetOldObject().(*rbacv1.Role); ok && apiequality.Semantic.DeepEqual(old.Rules, o.Rules) {
			return nil, "", ref, nil
		}
		return o.Rules, "escalate", rbacv1.RoleRef{Kind: "Role", Name: a.GetName()}, nil
	case *rbacv1.ClusterRole:
		return givenByClusterRole(o, a.GetOldObject()), "escalate", rbacv1.RoleRef{Kind: "ClusterRole", Name: a.GetName()}, nil
	case *rbacv1.RoleBinding:
		if old, ok := a.GetOldObject().(*rbacv1.RoleBinding); ok && apiequality.Semantic.DeepEqual(old.Subjects, o.Subjects) {
			return nil, "", ref, nil
		}
		rules, err = e.rights.stored.named(o.RoleRef, a.GetNamespace())
		return rules, "bind", o.RoleRef, err
	case *rbacv1.ClusterRoleBinding:
		if old, ok := a.GetOldObject().(*rbacv1.ClusterRoleBinding); ok && apiequality.Semantic.DeepEqual(old.Subjects, o.Subjects) {
			return nil, "", ref, nil
		}
		rules, err = e.rights.stored.named(o.RoleRef, "")
		return rules, "bind", o.RoleRef, err
	}
	return nil, "", ref, nil
}

// givenByClusterRole: one that gathers others may come to hold anything.
func givenByClusterRole(role *rbacv1.ClusterRole, old any) []rbacv1.PolicyRule {
	before, _ := old.(*rbacv1.ClusterRole)
	if before == nil {
		before = &rbacv1.ClusterRole{}
	}
	var rules []rbacv1.PolicyRule
	if !apiequality.Semantic.DeepEqual(before.Rules, role.Rules) {
		rules = slices.Clone(role.Rules)
	}
	if role.AggregationRule != nil && !apiequality.Semantic.DeepEqual(before.AggregationRule, role.AggregationRule) {
		for _, rule := range everything() {
			rules = append(rules, rule.policy())
		}
	}
	return rules
}

func permission(a admission.Attributes, verb string, ref rbacv1.RoleRef) authorizer.Attributes {
	resource := "clusterroles"
	if ref.Kind == "Role" {
		resource = "roles"
	}
	return authorizer.AttributesRecord{
		User: a.GetUserInfo(), Verb: verb, APIGroup: rbacv1.GroupName, APIVersion: "*",
		Resource: resource, Name: ref.Name, Namespace: a.GetNamespace(), ResourceRequest: true,
	}
}

// holds is nil when the user has all of the rules himself.
func (e *Escalation) holds(a admission.Attributes, rules []rbacv1.PolicyRule) error {
	u := a.GetUserInfo()
	var own []rbacv1.PolicyRule
	for rule := range e.rights.held(u, a.GetNamespace()) {
		own = append(own, rule.policy())
	}
	covered, missing := rbaccovers.Covers(own, rules)
	if covered {
		return nil
	}
	var lines []string
	for _, rule := range missing {
		lines = append(lines, describe(rule))
	}
	slices.Sort(lines)
	return admission.NewForbidden(a, fmt.Errorf("user %q (groups=%q) is attempting to grant RBAC permissions not currently held:\n%s",
		u.GetName(), u.GetGroups(), strings.Join(slices.Compact(lines), "\n")))
}

// describe writes a rule as Kubernetes' errors do.
func describe(r rbacv1.PolicyRule) string {
	var parts []string
	for _, part := range []struct {
		name   string
		values []string
	}{
		{"APIGroups", r.APIGroups},
		{"Resources", r.Resources},
		{"NonResourceURLs", r.NonResourceURLs},
		{"ResourceNames", r.ResourceNames},
		{"Verbs", r.Verbs},
	} {
		if len(part.values) > 0 {
			parts = append(parts, fmt.Sprintf("%s:%q", part.name, part.values))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
