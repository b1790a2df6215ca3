package defaults

import rbacv1 "k8s.io/api/rbac/v1"

func setRoleBinding(b *rbacv1.RoleBinding) {
	orDefault(&b.RoleRef.APIGroup, rbacv1.GroupName)
	setSubjects(b.Subjects)
}

func setClusterRoleBinding(b *rbacv1.ClusterRoleBinding) {
	orDefault(&b.RoleRef.APIGroup, rbacv1.GroupName)
	setSubjects(b.Subjects)
}

// setSubjects: users and groups are of the group of roles, service accounts of
// the core.
func setSubjects(subjects []rbacv1.Subject) {
	for i := range subjects {
		if s := &subjects[i]; s.Kind == rbacv1.UserKind || s.Kind == rbacv1.GroupKind {
			orDefault(&s.APIGroup, rbacv1.GroupName)
		}
	}
}
