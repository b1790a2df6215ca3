package registry

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
)

func namespaces() Definition[*corev1.Namespace] {
	return Definition[*corev1.Namespace]{
		Version: corev1.SchemeGroupVersion, Resource: "namespaces", Singular: "namespace",
		ShortNames: []string{"ns"},
		New:        func() *corev1.Namespace { return &corev1.Namespace{} },
		NewList:    func() runtime.Object { return &corev1.NamespaceList{} },
		Status:     &Strategy[*corev1.Namespace]{},
		Fields:     namespaceFields,
	}
}

func namespaceFields(n *corev1.Namespace) fields.Set {
	return fields.Set{"status.phase": string(n.Status.Phase), "name": n.Name}
}
