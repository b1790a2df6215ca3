package registry

import (
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func roles() Definition[*rbacv1.Role] {
	return Definition[*rbacv1.Role]{
		Version: rbacv1.SchemeGroupVersion, Resource: "roles", Singular: "role", Namespaced: true,
		New:     func() *rbacv1.Role { return &rbacv1.Role{} },
		NewList: func() runtime.Object { return &rbacv1.RoleList{} },
		Main: Strategy[*rbacv1.Role]{
			Validate:       checked(validation.ValidateRoleCreate),
			ValidateUpdate: checkedUpdate(validation.ValidateRoleUpdate),
			CreateOnUpdate: true,
		},
	}
}

func clusterRoles() Definition[*rbacv1.ClusterRole] {
	return Definition[*rbacv1.ClusterRole]{
		Version: rbacv1.SchemeGroupVersion, Resource: "clusterroles", Singular: "clusterrole",
		New:     func() *rbacv1.ClusterRole { return &rbacv1.ClusterRole{} },
		NewList: func() runtime.Object { return &rbacv1.ClusterRoleList{} },
		Main: Strategy[*rbacv1.ClusterRole]{
			Validate:       checked(validation.ValidateClusterRoleCreate),
			ValidateUpdate: checkedUpdate(validation.ValidateClusterRoleUpdate),
			CreateOnUpdate: true,
		},
	}
}

func roleBindings() Definition[*rbacv1.RoleBinding] {
	return Definition[*rbacv1.RoleBinding]{
		Version: rbacv1.SchemeGroupVersion, Resource: "rolebindings", Singular: "rolebinding", Namespaced: true,
		New:     func() *rbacv1.RoleBinding { return &rbacv1.RoleBinding{} },
		NewList: func() runtime.Object { return &rbacv1.RoleBindingList{} },
		Main: Strategy[*rbacv1.RoleBinding]{
			Validate:       checked(validation.ValidateRoleBindingCreate),
			ValidateUpdate: checkedUpdate(validation.ValidateRoleBindingUpdate),
			CreateOnUpdate: true,
		},
	}
}

func clusterRoleBindings() Definition[*rbacv1.ClusterRoleBinding] {
	return Definition[*rbacv1.ClusterRoleBinding]{
		Version: rbacv1.SchemeGroupVersion, Resource: "clusterrolebindings", Singular: "clusterrolebinding",
		New:     func() *rbacv1.ClusterRoleBinding { return &rbacv1.ClusterRoleBinding{} },
		NewList: func() runtime.Object { return &rbacv1.ClusterRoleBindingList{} },
		Main: Strategy[*rbacv1.ClusterRoleBinding]{
			Validate:       checked(validation.ValidateClusterRoleBindingCreate),
			ValidateUpdate: checkedUpdate(validation.ValidateClusterRoleBindingUpdate),
			CreateOnUpdate: true,
		},
	}
}
