package access

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// roles is a Roles of lists.
type roles struct {
	clusterRoles    []*rbacv1.ClusterRole
	roles           []*rbacv1.Role
	clusterBindings []*rbacv1.ClusterRoleBinding
	bindings        []*rbacv1.RoleBinding
}

var errNone = errors.New("there is none")

func (r *roles) ClusterRoleBindings() ([]*rbacv1.ClusterRoleBinding, error) {
	return r.clusterBindings, nil
}

func (r *roles) RoleBindings(namespace string) (in []*rbacv1.RoleBinding, _ error) {
	for _, b := range r.bindings {
		if b.Namespace == namespace {
			in = append(in, b)
		}
	}
	return in, nil
}

func (r *roles) ClusterRole(name string) (*rbacv1.ClusterRole, error) {
	for _, one := range r.clusterRoles {
		if one.Name == name {
			return one, nil
		}
	}
	return nil, errNone
}

func (r *roles) Role(namespace, name string) (*rbacv1.Role, error) {
	for _, one := range r.roles {
		if one.Namespace == namespace && one.Name == name {
			return one, nil
		}
	}
	return nil, errNone
}

func meta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

func policy(verb string, resources ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: []string{verb}, APIGroups: []string{""}, Resources: resources}
}

func refTo(kind, name string) rbacv1.RoleRef {
	return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
}

func subject(kind, namespace, name string) []rbacv1.Subject {
	return []rbacv1.Subject{{Kind: kind, Namespace: namespace, Name: name}}
}

func TestStoredRoles(t *testing.T) {
	a, err := New(nil, podsOn{}, &roles{
		clusterRoles: []*rbacv1.ClusterRole{
			{ObjectMeta: meta("", "reader"), Rules: []rbacv1.PolicyRule{policy("get", "pods", "*/scale"), {Verbs: []string{"get"}, NonResourceURLs: []string{"/logs/*"}}}},
		},
		roles: []*rbacv1.Role{{ObjectMeta: meta("x", "one"), Rules: []rbacv1.PolicyRule{{Verbs: []string{"*"}, APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"key"}}}}},
		clusterBindings: []*rbacv1.ClusterRoleBinding{
			{RoleRef: refTo("ClusterRole", "gone"), Subjects: subject("User", "", "ann")},
			{RoleRef: refTo("ClusterRole", "reader"), Subjects: subject("Group", "", "devs")},
			{RoleRef: refTo("ClusterRole", "reader"), Subjects: subject("ServiceAccount", "x", "robot")},
		},
		bindings: []*rbacv1.RoleBinding{
			{ObjectMeta: meta("x", "a"), RoleRef: refTo("ClusterRole", "reader"), Subjects: subject("User", "", "ann")},
			{ObjectMeta: meta("x", "b"), RoleRef: refTo("Role", "one"), Subjects: subject("ServiceAccount", "", "local")},
		},
	})
	require.NoError(t, err)
	ann, dev := as("ann"), as("dan", "devs")
	robot, local := as(serviceaccount.MakeUsername("x", "robot")), as(serviceaccount.MakeUsername("x", "local"))
	for _, c := range []struct {
		what string
		at   authorizer.Attributes
		want bool
	}{
		{"in the binding's namespace", to(ann, "get", "", "pods", "", "x", "p"), true},
		{"elsewhere", to(ann, "get", "", "pods", "", "y", "p"), false},
		{"another verb", to(ann, "delete", "", "pods", "", "x", "p"), false},
		{"a subresource of all", to(ann, "get", "", "anything", "scale", "x", "p"), true},
		{"no other subresource", to(ann, "get", "", "pods", "log", "x", "p"), false},
		{"paths are in no namespace", path(ann, "/logs/a"), false},
		{"by group", to(dev, "get", "", "pods", "", "y", "p"), true},
		{"a path", path(dev, "/logs/a"), true},
		{"another path", path(dev, "/debug"), false},
		{"an account", to(robot, "get", "", "pods", "", "y", "p"), true},
		{"an account of the binding's namespace", to(local, "delete", "", "secrets", "", "x", "key"), true},
		{"another name", to(local, "delete", "", "secrets", "", "x", "lock"), false},
	} {
		t.Run(c.what, func(t *testing.T) { require.Equal(t, c.want, allowed(t, a, c.at)) })
	}
	inX, _, _, err := a.RulesFor(t.Context(), ann, "x")
	require.NoError(t, err)
	inY, _, _, err := a.RulesFor(t.Context(), ann, "y")
	require.NoError(t, err)
	require.Len(t, inX, len(inY)+1)
}

// grantRequest is a request of u that creates obj or, with old, changes it.
func grantRequest(u user.Info, resource string, obj, old runtime.Object) admission.Attributes {
	operation := admission.Create
	if old != nil {
		operation = admission.Update
	}
	m := obj.(metav1.Object)
	gv := rbacv1.SchemeGroupVersion
	return admission.NewAttributesRecord(obj, old, schema.GroupVersionKind{}, m.GetNamespace(), m.GetName(), gv.WithResource(resource), "", operation, nil, false, u)
}

func TestNobodyGivesWhatHeHasNot(t *testing.T) {
	manage := rbacv1.PolicyRule{Verbs: []string{"*"}, APIGroups: []string{rbacv1.GroupName}, Resources: []string{"roles", "rolebindings"}}
	a, err := New(nil, podsOn{}, &roles{
		clusterRoles: []*rbacv1.ClusterRole{
			{ObjectMeta: meta("", "owner"), Rules: []rbacv1.PolicyRule{policy("get", "pods", "configmaps")}},
			{ObjectMeta: meta("", "boss"), Rules: []rbacv1.PolicyRule{manage}},
			{ObjectMeta: meta("", "secret-reader"), Rules: []rbacv1.PolicyRule{policy("get", "secrets")}},
		},
		bindings: []*rbacv1.RoleBinding{
			{ObjectMeta: meta("x", "a"), RoleRef: refTo("ClusterRole", "owner"), Subjects: subject("User", "", "ann")},
			{ObjectMeta: meta("x", "b"), RoleRef: refTo("ClusterRole", "boss"), Subjects: subject("User", "", "bob")},
		},
	})
	require.NoError(t, err)
	guard := NewEscalation(a)
	ask := func(name, resource string, obj, old runtime.Object) error {
		return guard.Validate(t.Context(), grantRequest(as(name), resource, obj, old), nil)
	}
	role := func(rules ...rbacv1.PolicyRule) *rbacv1.Role {
		return &rbacv1.Role{ObjectMeta: meta("x", "r"), Rules: rules}
	}
	binding := func(name string) *rbacv1.RoleBinding {
		return &rbacv1.RoleBinding{ObjectMeta: meta("x", "b"), RoleRef: refTo("ClusterRole", name), Subjects: subject("User", "", "eve")}
	}
	require.NoError(t, ask("ann", "roles", role(policy("get", "pods")), nil))
	require.EqualError(t, ask("ann", "roles", role(policy("get", "secrets")), nil),
		`roles.rbac.authorization.k8s.io "r" is forbidden: user "ann" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:`+
			"\n"+`{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}`)
	require.NoError(t, ask("bob", "roles", role(policy("get", "secrets")), nil), "who may do everything to roles may escalate")
	require.NoError(t, ask("ann", "roles", role(policy("get", "secrets")), role(policy("get", "secrets"))), "unchanged")
	require.NoError(t, ask("ann", "rolebindings", binding("owner"), nil))
	require.ErrorContains(t, ask("ann", "rolebindings", binding("secret-reader"), nil), `Resources:["secrets"]`)
	require.ErrorContains(t, ask("bob", "rolebindings", binding("secret-reader"), nil), `Resources:["secrets"]`, "bind is of the cluster role")
	require.ErrorContains(t, ask("ann", "rolebindings", binding("gone"), nil), "there is none")
	gathering := &rbacv1.ClusterRole{ObjectMeta: meta("", "g"), AggregationRule: &rbacv1.AggregationRule{}}
	require.ErrorContains(t, ask("ann", "clusterroles", gathering, nil), `APIGroups:["*"]`)
	master := grantRequest(as("root", user.SystemPrivilegedGroup), "roles", role(policy("get", "secrets")), nil)
	require.NoError(t, guard.Validate(t.Context(), master, nil))
}

func TestRolesOfTheStart(t *testing.T) {
	for _, role := range ClusterRoles() {
		require.Equal(t, role.AggregationRule == nil, len(role.Rules) > 0, role.Name)
		for _, rule := range role.Rules {
			require.NotEmpty(t, rule.Verbs, role.Name)
		}
	}
	require.Equal(t, "cluster-admin", ClusterRoleBindings()[0].RoleRef.Name)
}
