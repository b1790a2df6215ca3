package access

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
)

// aggregateTo labels the roles whose rules a role gathers.
const aggregateTo = "rbac.authorization.k8s.io/aggregate-to-"

// ClusterRoles are the roles that are there from the start, by the names that
// Kubernetes gives them: cluster-admin, and admin, edit and view, each of which
// gathers what is labelled for it and the one below.
func ClusterRoles() []*rbacv1.ClusterRole {
	return []*rbacv1.ClusterRole{
		clusterRole("cluster-admin", "", everything()...),
		gatheringRole("admin", ""),
		gatheringRole("edit", "admin"),
		gatheringRole("view", "edit"),
		clusterRole("system:aggregate-to-admin", "admin", granting()...),
		clusterRole("system:aggregate-to-edit", "edit", editing()...),
		clusterRole("system:aggregate-to-view", "view", viewing()...),
	}
}

// ClusterRoleBindings are the bindings that are there from the start.
func ClusterRoleBindings() []*rbacv1.ClusterRoleBinding {
	return []*rbacv1.ClusterRoleBinding{{
		ObjectMeta: metav1.ObjectMeta{Name: "cluster-admin", Labels: bootstrapped()},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: user.SystemPrivilegedGroup}},
	}}
}

func bootstrapped() map[string]string {
	return map[string]string{"kubernetes.io/bootstrapping": "rbac-defaults"}
}

// clusterRole is a role whose rules the role "into" gathers, if it is not empty.
func clusterRole(name, into string, rules ...Rule) *rbacv1.ClusterRole {
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: bootstrapped()}}
	if into != "" {
		role.Labels[aggregateTo+into] = "true"
	}
	for _, rule := range rules {
		role.Rules = append(role.Rules, rule.policy())
	}
	return role
}

func gatheringRole(name, into string) *rbacv1.ClusterRole {
	role := clusterRole(name, into)
	role.AggregationRule = &rbacv1.AggregationRule{
		ClusterRoleSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{aggregateTo + name: "true"}}},
	}
	return role
}

// granting is what the owner of a namespace may do beside editing it.
func granting() []Rule {
	return []Rule{
		resources(rbacv1.GroupName, "roles", "rolebindings").with(slices.Concat(read, write)...),
		resources("authorization.k8s.io", "localsubjectaccessreviews").with("create"),
	}
}

// editing is working in a namespace: all of it but its limits and its roles.
func editing() []Rule {
	return []Rule{
		resources("", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy").with(read...),
		resources("", "serviceaccounts").with("impersonate"),
		resources("", "configmaps", "endpoints", "events", "persistentvolumeclaims", "pods", "pods/attach", "pods/exec", "pods/portforward",
			"pods/proxy", "replicationcontrollers", "replicationcontrollers/scale", "secrets", "serviceaccounts", "services", "services/proxy").with(write...),
		resources("", "pods/eviction", "serviceaccounts/token").with("create"),
		resources("apps", "daemonsets", "deployments", "deployments/rollback", "deployments/scale", "replicasets", "replicasets/scale").with(write...),
		resources("policy", "poddisruptionbudgets").with(write...),
		resources("coordination.k8s.io", "leases").with(slices.Concat(read, write)...),
	}
}

// viewing is what looking sees within a namespace.
func viewing() []Rule {
	return []Rule{
		resources("", "configmaps", "endpoints", "events", "limitranges", "namespaces", "namespaces/status",
			"persistentvolumeclaims", "persistentvolumeclaims/status", "pods", "pods/log", "pods/status",
			"replicationcontrollers", "replicationcontrollers/scale", "replicationcontrollers/status",
			"resourcequotas", "resourcequotas/status", "serviceaccounts", "services", "services/status").with(read...),
		resources("apps", "controllerrevisions", "daemonsets", "daemonsets/status", "deployments", "deployments/scale", "deployments/status",
			"replicasets", "replicasets/scale", "replicasets/status").with(read...),
		resources("discovery.k8s.io", "endpointslices").with(read...),
		resources("events.k8s.io", "events").with(read...),
		resources("policy", "poddisruptionbudgets", "poddisruptionbudgets/status").with(read...),
		resources("metrics.k8s.io", "pods").with(read...),
	}
}
