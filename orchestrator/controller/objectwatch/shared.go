package objectwatch

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// SharedResources lists the resources that this program's controllers, scheduler
// and admission keep informers of anyway.
func SharedResources() []schema.GroupVersionResource {
	var all []schema.GroupVersionResource
	add := func(gv schema.GroupVersion, resources ...string) {
		for _, r := range resources {
			all = append(all, gv.WithResource(r))
		}
	}
	add(corev1.SchemeGroupVersion, "pods", "replicationcontrollers", "services", "endpoints", "nodes",
		"namespaces", "serviceaccounts", "resourcequotas", "limitranges", "persistentvolumeclaims", "persistentvolumes")
	add(appsv1.SchemeGroupVersion, "replicasets", "deployments", "daemonsets", "controllerrevisions")
	add(discoveryv1.SchemeGroupVersion, "endpointslices")
	add(rbacv1.SchemeGroupVersion, "roles", "rolebindings", "clusterroles", "clusterrolebindings")
	add(schedulingv1.SchemeGroupVersion, "priorityclasses")
	add(storagev1.SchemeGroupVersion, "storageclasses")
	return all
}
