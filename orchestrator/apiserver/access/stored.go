package access

import (
	"iter"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
)

// Roles knows the API's roles and bindings. What it returns is only read; an
// error says that there is no such object.
type Roles interface {
	ClusterRoleBindings() ([]*rbacv1.ClusterRoleBinding, error)
	RoleBindings(namespace string) ([]*rbacv1.RoleBinding, error)
	ClusterRole(name string) (*rbacv1.ClusterRole, error)
	Role(namespace, name string) (*rbacv1.Role, error)
}

// stored are the rights that objects of the API give.
type stored struct{ roles Roles }

// held are the rules of the bindings that name the user. A binding to a role
// that is not there gives nothing.
func (s stored) held(u user.Info, namespace string) iter.Seq[Rule] {
	return func(yield func(Rule) bool) {
		for ref, at := range s.bound(u, namespace) {
			rules, err := s.named(ref, at)
			if err != nil {
				continue
			}
			for _, rule := range rules {
				if !yield(ruleOf(rule)) {
					return
				}
			}
		}
	}
}

// bound are the roles bound to the user, each with the namespace in which a
// Role of that name is meant.
func (s stored) bound(u user.Info, namespace string) iter.Seq2[rbacv1.RoleRef, string] {
	return func(yield func(rbacv1.RoleRef, string) bool) {
		everywhere, _ := s.roles.ClusterRoleBindings()
		for _, b := range everywhere {
			if isSubject(u, b.Subjects, "") && !yield(b.RoleRef, "") {
				return
			}
		}
		if namespace == "" {
			return
		}
		here, _ := s.roles.RoleBindings(namespace)
		for _, b := range here {
			if isSubject(u, b.Subjects, namespace) && !yield(b.RoleRef, namespace) {
				return
			}
		}
	}
}

// named are the rules of a role.
func (s stored) named(ref rbacv1.RoleRef, namespace string) ([]rbacv1.PolicyRule, error) {
	if ref.Kind == "Role" {
		role, err := s.roles.Role(namespace, ref.Name)
		if err != nil {
			return nil, err
		}
		return role.Rules, nil
	}
	role, err := s.roles.ClusterRole(ref.Name)
	if err != nil {
		return nil, err
	}
	return role.Rules, nil
}

func isSubject(u user.Info, subjects []rbacv1.Subject, namespace string) bool {
	return slices.ContainsFunc(subjects, func(s rbacv1.Subject) bool {
		switch s.Kind {
		case rbacv1.UserKind:
			return s.Name == u.GetName()
		case rbacv1.GroupKind:
			return slices.Contains(u.GetGroups(), s.Name)
		case rbacv1.ServiceAccountKind:
			if s.Namespace != "" {
				return serviceaccount.MatchesUsername(s.Namespace, s.Name, u.GetName())
			}
			return namespace != "" && serviceaccount.MatchesUsername(namespace, s.Name, u.GetName())
		}
		return false
	})
}

func ruleOf(p rbacv1.PolicyRule) Rule {
	return Rule{Verbs: p.Verbs, Groups: p.APIGroups, Resources: p.Resources, Names: p.ResourceNames, Paths: p.NonResourceURLs}
}

func (r Rule) policy() rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: r.Verbs, APIGroups: r.Groups, Resources: r.Resources, ResourceNames: r.Names, NonResourceURLs: r.Paths}
}
