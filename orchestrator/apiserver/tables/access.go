package tables

import (
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// addAccess adds bindings, and roles with the time at which they were made.
func (t *Tables) addAccess(now func() time.Time) {
	made := []metav1.TableColumnDefinition{nameColumn(), {
		Name: "Created At", Type: "date", Description: metav1.ObjectMeta{}.SwaggerDoc()["creationTimestamp"],
	}}
	add(t, now, rbacv1.GroupName, "roles", made, func(r *rbacv1.Role, _ time.Time) row {
		return cells(r.Name, r.CreationTimestamp.UTC().Format(time.RFC3339))
	})
	add(t, now, rbacv1.GroupName, "clusterroles", made, func(r *rbacv1.ClusterRole, _ time.Time) row {
		return cells(r.Name, r.CreationTimestamp.UTC().Format(time.RFC3339))
	})
	doc := rbacv1.RoleBinding{}.SwaggerDoc()
	bindings := []metav1.TableColumnDefinition{
		nameColumn(),
		text("Role", doc["roleRef"]),
		ageColumn(),
		wide("Users", "Users in the roleBinding"),
		wide("Groups", "Groups in the roleBinding"),
		wide("ServiceAccounts", "ServiceAccounts in the roleBinding"),
	}
	add(t, now, rbacv1.GroupName, "rolebindings", bindings, func(b *rbacv1.RoleBinding, now time.Time) row {
		return bindingRow(&b.ObjectMeta, b.RoleRef, b.Subjects, now)
	})
	add(t, now, rbacv1.GroupName, "clusterrolebindings", bindings, func(b *rbacv1.ClusterRoleBinding, now time.Time) row {
		return bindingRow(&b.ObjectMeta, b.RoleRef, b.Subjects, now)
	})
}

func bindingRow(m *metav1.ObjectMeta, role rbacv1.RoleRef, subjects []rbacv1.Subject, now time.Time) row {
	return cells(m.Name, role.Kind+"/"+role.Name, since(m.CreationTimestamp, now),
		subjectsOf(subjects, rbacv1.UserKind), subjectsOf(subjects, rbacv1.GroupKind), subjectsOf(subjects, rbacv1.ServiceAccountKind))
}

// subjectsOf are the names of a kind; service accounts have their namespace.
func subjectsOf(subjects []rbacv1.Subject, kind string) string {
	var names []string
	for _, s := range subjects {
		switch {
		case s.Kind != kind:
		case kind == rbacv1.ServiceAccountKind:
			names = append(names, s.Namespace+"/"+s.Name)
		default:
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
