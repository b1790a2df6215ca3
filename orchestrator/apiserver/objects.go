package apiserver

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metainternal "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/client-go/informers"
	listers "k8s.io/client-go/listers/rbac/v1"
)

// objects reads the stores for tokens and access, past authorization.
type objects struct {
	server *Server
}

func (o objects) store(resource string) *genericregistry.Store {
	return o.server.stores.Stores[schema.GroupResource{Resource: resource}]
}

func get[T runtime.Object](ctx context.Context, s *genericregistry.Store, namespace, name string) (T, error) {
	// Errors name the resource of the request that a context is of.
	ctx = genericrequest.WithRequestInfo(ctx, &genericrequest.RequestInfo{
		APIGroup: s.DefaultQualifiedResource.Group, Resource: s.DefaultQualifiedResource.Resource,
	})
	obj, err := s.Get(genericrequest.WithNamespace(ctx, namespace), name, &metav1.GetOptions{})
	if err != nil {
		var none T
		return none, err
	}
	return obj.(T), nil
}

func (o objects) ServiceAccount(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
	return get[*corev1.ServiceAccount](ctx, o.store("serviceaccounts"), namespace, name)
}

func (o objects) Pod(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	return get[*corev1.Pod](ctx, o.store("pods"), namespace, name)
}

func (o objects) Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	return get[*corev1.Secret](ctx, o.store("secrets"), namespace, name)
}

func (o objects) Service(ctx context.Context, namespace, name string) (*corev1.Service, error) {
	return get[*corev1.Service](ctx, o.store("services"), namespace, name)
}

func (o objects) Endpoints(ctx context.Context, namespace, name string) (*corev1.Endpoints, error) {
	return get[*corev1.Endpoints](ctx, o.store("endpoints"), namespace, name)
}

func (o objects) Node(ctx context.Context, name string) (*corev1.Node, error) {
	return get[*corev1.Node](ctx, o.store("nodes"), metav1.NamespaceNone, name)
}

// OnNode reads the watch cache's index. A node knows its pods by the same
// cache, so that it is never ahead of it.
func (o objects) OnNode(ctx context.Context, node string) ([]corev1.Pod, error) {
	list, err := o.store("pods").List(genericrequest.WithNamespace(ctx, metav1.NamespaceAll), &metainternal.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("spec.nodeName", node), ResourceVersion: "0",
	})
	if err != nil {
		return nil, err
	}
	return list.(*corev1.PodList).Items, nil
}

// storedRoles are the roles that this process's informers know.
type storedRoles struct {
	roles           listers.RoleLister
	bindings        listers.RoleBindingLister
	clusterRoles    listers.ClusterRoleLister
	clusterBindings listers.ClusterRoleBindingLister
}

// newStoredRoles asks the factory for the informers.
func newStoredRoles(factory informers.SharedInformerFactory) storedRoles {
	all := factory.Rbac().V1()
	return storedRoles{all.Roles().Lister(), all.RoleBindings().Lister(), all.ClusterRoles().Lister(), all.ClusterRoleBindings().Lister()}
}

func (r storedRoles) Role(namespace, name string) (*rbacv1.Role, error) {
	return r.roles.Roles(namespace).Get(name)
}

func (r storedRoles) RoleBindings(namespace string) ([]*rbacv1.RoleBinding, error) {
	return r.bindings.RoleBindings(namespace).List(labels.Everything())
}

func (r storedRoles) ClusterRole(name string) (*rbacv1.ClusterRole, error) {
	return r.clusterRoles.Get(name)
}

func (r storedRoles) ClusterRoleBindings() ([]*rbacv1.ClusterRoleBinding, error) {
	return r.clusterBindings.List(labels.Everything())
}
