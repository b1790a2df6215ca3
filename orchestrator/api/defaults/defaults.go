// Package defaults fills in what a client left out of an API object, with the
// values that Kubernetes gives, and settles fields that say the same thing
// twice. Its functions change only the object they are given, so they are safe
// for concurrent use on different objects, and doing it twice changes nothing.
package defaults

import (
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Register makes the scheme set the defaults of every kind that has any, for
// single objects and for lists. Kinds without defaults (events, leases, quotas
// but for the rounding of quantities, disruption budgets…) need none.
//
// The error is nil: the scheme takes any type. The signature is that of
// runtime.SchemeBuilder.
func Register(scheme *runtime.Scheme) error {
	registerCore(scheme)
	registerOthers(scheme)
	return nil
}

func registerCore(scheme *runtime.Scheme) {
	add(scheme, setPod)
	add(scheme, func(l *v1.PodList) { each(l.Items, setPod) })
	add(scheme, setPodTemplate)
	add(scheme, func(l *v1.PodTemplateList) { each(l.Items, setPodTemplate) })
	add(scheme, setPodLogOptions)
	add(scheme, setReplicationController)
	add(scheme, func(l *v1.ReplicationControllerList) { each(l.Items, setReplicationController) })
	add(scheme, setService)
	add(scheme, func(l *v1.ServiceList) { each(l.Items, setService) })
	add(scheme, setEndpoints)
	add(scheme, func(l *v1.EndpointsList) { each(l.Items, setEndpoints) })
	add(scheme, setNamespace)
	add(scheme, func(l *v1.NamespaceList) { each(l.Items, setNamespace) })
	add(scheme, setNode)
	add(scheme, func(l *v1.NodeList) { each(l.Items, setNode) })
	add(scheme, setSecret)
	add(scheme, func(l *v1.SecretList) { each(l.Items, setSecret) })
	add(scheme, setConfigMap)
	add(scheme, func(l *v1.ConfigMapList) { each(l.Items, setConfigMap) })
	add(scheme, setLimitRange)
	add(scheme, func(l *v1.LimitRangeList) { each(l.Items, setLimitRange) })
	add(scheme, setResourceQuota)
	add(scheme, func(l *v1.ResourceQuotaList) { each(l.Items, setResourceQuota) })
	add(scheme, setPersistentVolume)
	add(scheme, func(l *v1.PersistentVolumeList) { each(l.Items, setPersistentVolume) })
	add(scheme, setPersistentVolumeClaim)
	add(scheme, func(l *v1.PersistentVolumeClaimList) { each(l.Items, setPersistentVolumeClaim) })
}

func registerOthers(scheme *runtime.Scheme) {
	add(scheme, setReplicaSet)
	add(scheme, func(l *appsv1.ReplicaSetList) { each(l.Items, setReplicaSet) })
	add(scheme, setDeployment)
	add(scheme, func(l *appsv1.DeploymentList) { each(l.Items, setDeployment) })
	add(scheme, setDaemonSet)
	add(scheme, func(l *appsv1.DaemonSetList) { each(l.Items, setDaemonSet) })
	add(scheme, setEndpointSlice)
	add(scheme, func(l *discoveryv1.EndpointSliceList) { each(l.Items, setEndpointSlice) })
	add(scheme, setPriorityClass)
	add(scheme, func(l *schedulingv1.PriorityClassList) { each(l.Items, setPriorityClass) })
	add(scheme, setStorageClass)
	add(scheme, func(l *storagev1.StorageClassList) { each(l.Items, setStorageClass) })
	add(scheme, setRoleBinding)
	add(scheme, func(l *rbacv1.RoleBindingList) { each(l.Items, setRoleBinding) })
	add(scheme, setClusterRoleBinding)
	add(scheme, func(l *rbacv1.ClusterRoleBindingList) { each(l.Items, setClusterRoleBinding) })
	add(scheme, setTokenRequest)
}

// objectPointer is a pointer to a T that is an API object.
type objectPointer[T any] interface {
	*T
	runtime.Object
}

// add makes set the defaulting function of the type T.
func add[T any, P objectPointer[T]](scheme *runtime.Scheme, set func(P)) {
	scheme.AddTypeDefaultingFunc(P(new(T)), func(obj any) { set(obj.(P)) })
}

// each calls set with every item of a list.
func each[T any](items []T, set func(*T)) {
	for i := range items {
		set(&items[i])
	}
}

// orDefault sets *field to value if it is the zero value.
func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// orNew points *field at a value of its own if it points nowhere.
func orNew[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func setTokenRequest(r *authenticationv1.TokenRequest) {
	orNew(&r.Spec.ExpirationSeconds, 60*60)
}

func setPriorityClass(c *schedulingv1.PriorityClass) {
	orNew(&c.PreemptionPolicy, v1.PreemptLowerPriority)
}

func setStorageClass(c *storagev1.StorageClass) {
	orNew(&c.ReclaimPolicy, v1.PersistentVolumeReclaimDelete)
	orNew(&c.VolumeBindingMode, storagev1.VolumeBindingImmediate)
}
