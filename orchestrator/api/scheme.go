// Package api says which Kubernetes types the API server speaks and how they
// are encoded. There is one Go type per kind: the published one of k8s.io/api
// is registered both under its own version and as the internal version, so
// that no conversion code is needed.
package api

import (
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/defaults"
)

// groups are the API groups served, each in its one version.
func groups() []runtime.SchemeBuilder {
	return []runtime.SchemeBuilder{
		corev1.SchemeBuilder, appsv1.SchemeBuilder, autoscalingv1.SchemeBuilder,
		policyv1.SchemeBuilder, discoveryv1.SchemeBuilder, coordinationv1.SchemeBuilder,
		eventsv1.SchemeBuilder, schedulingv1.SchemeBuilder, storagev1.SchemeBuilder,
		authenticationv1.SchemeBuilder, authorizationv1.SchemeBuilder, rbacv1.SchemeBuilder,
	}
}

// Scheme is a new scheme with every type served, their defaults and the
// conversions of field labels.
func Scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, group := range groups() {
		utilruntime.Must(group.AddToScheme(s))
	}
	addInternal(s)
	metav1.AddToGroupVersion(s, schema.GroupVersion{Version: "v1"})
	unversioned := schema.GroupVersion{Version: "v1"}
	s.AddUnversionedTypes(unversioned, &metav1.Status{}, &metav1.APIVersions{}, &metav1.APIGroupList{}, &metav1.APIGroup{}, &metav1.APIResourceList{})
	utilruntime.Must(addEventConversions(s))
	utilruntime.Must(addFieldLabels(s))
	utilruntime.Must(addOptions(s))
	utilruntime.Must(defaults.Register(s))
	return s
}

// Codecs are what Scheme's types are read and written with.
func Codecs(s *runtime.Scheme) serializer.CodecFactory { return serializer.NewCodecFactory(s) }

// addInternal registers the published types as the internal ones too. Types of
// metav1 are in every version and have internal forms of their own.
func addInternal(s *runtime.Scheme) {
	for gvk, t := range maps.Clone(s.AllKnownTypes()) {
		if t.PkgPath() == "k8s.io/apimachinery/pkg/apis/meta/v1" || gvk.Version == runtime.APIVersionInternal {
			continue
		}
		internal := gvk.GroupKind().WithVersion(runtime.APIVersionInternal)
		if t.PkgPath() == "k8s.io/api/events/v1" {
			addInternalEvent(s, internal)
			continue
		}
		s.AddKnownTypeWithName(internal, newObject(s, gvk))
	}
}

func newObject(s *runtime.Scheme, gvk schema.GroupVersionKind) runtime.Object {
	obj, err := s.New(gvk)
	utilruntime.Must(err)
	return obj
}

// Versions are the group versions served, in the order of discovery.
func Versions(s *runtime.Scheme) []schema.GroupVersion {
	return slices.DeleteFunc(s.PrioritizedVersionsAllGroups(), func(gv schema.GroupVersion) bool {
		return gv.Version == runtime.APIVersionInternal
	})
}
