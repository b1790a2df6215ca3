package registry

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func namespaces() Definition[*corev1.Namespace] {
	return Definition[*corev1.Namespace]{
		Version: corev1.SchemeGroupVersion, Resource: "namespaces", Singular: "namespace",
		ShortNames: []string{"ns"},
		New:        func() *corev1.Namespace { return &corev1.Namespace{} },
		NewList:    func() runtime.Object { return &corev1.NamespaceList{} },
		Main: Strategy[*corev1.Namespace]{
			PrepareForCreate: prepareNewNamespace,
			Validate:         checked(validation.ValidateNamespaceCreate),
			Canonicalize:     labelNamespace,
			PrepareForUpdate: func(_ context.Context, n, old *corev1.Namespace) {
				n.Spec.Finalizers, n.Status = old.Spec.Finalizers, old.Status
			},
			ValidateUpdate: checkedUpdate(validation.ValidateNamespaceUpdate),
			ResetFields:    []string{"status"},
		},
		Status: &Strategy[*corev1.Namespace]{
			PrepareForUpdate: func(_ context.Context, n, old *corev1.Namespace) { n.Spec = old.Spec },
			ValidateUpdate:   checkedUpdate(validation.ValidateNamespaceStatusUpdate),
			Canonicalize:     labelNamespace,
			ResetFields:      []string{"spec"},
		},
		Fields: namespaceFields,
		Customize: func(s *genericregistry.Store, _ *Environment) error {
			s.ReturnDeletedObject = true
			s.ShouldDeleteDuringUpdate = isNamespaceEmpty
			return nil
		},
		Subresources: map[string]func(*genericregistry.Store, *Environment) rest.Storage{"finalize": newFinalizeREST},
		Wrap:         func(r *REST, _ *Environment) rest.Storage { return &namespaceREST{namespaceVerbs: r, store: r.Store} },
	}
}

func namespaceFields(n *corev1.Namespace) fields.Set {
	return fields.Set{"status.phase": string(n.Status.Phase), "name": n.Name}
}

// prepareNewNamespace makes the namespace stay, when it is deleted, until its
// content is gone.
func prepareNewNamespace(_ context.Context, n *corev1.Namespace) {
	n.Status = corev1.NamespaceStatus{Phase: corev1.NamespaceActive}
	if !slices.Contains(n.Spec.Finalizers, corev1.FinalizerKubernetes) {
		n.Spec.Finalizers = append(n.Spec.Finalizers, corev1.FinalizerKubernetes)
	}
}

// labelNamespace sets the label by which selectors name a namespace. Only here
// is a generated name known.
func labelNamespace(n *corev1.Namespace) {
	metav1.SetMetaDataLabel(&n.ObjectMeta, corev1.LabelMetadataName, n.Name)
}

// isNamespaceEmpty tells whether an update that let go of a deleted namespace
// was the last.
func isNamespaceEmpty(ctx context.Context, key string, obj, existing runtime.Object) bool {
	n, ok := obj.(*corev1.Namespace)
	return ok && len(n.Spec.Finalizers) == 0 && genericregistry.ShouldDeleteDuringUpdate(ctx, key, obj, existing)
}
