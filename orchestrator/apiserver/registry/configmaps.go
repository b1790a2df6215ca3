package registry

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func configMaps() Definition[*corev1.ConfigMap] {
	return Definition[*corev1.ConfigMap]{
		Version: corev1.SchemeGroupVersion, Resource: "configmaps", Singular: "configmap", Namespaced: true,
		ShortNames: []string{"cm"},
		New:        func() *corev1.ConfigMap { return &corev1.ConfigMap{} },
		NewList:    func() runtime.Object { return &corev1.ConfigMapList{} },
		Main: Strategy[*corev1.ConfigMap]{
			Validate:       checked(validation.ValidateConfigMapCreate),
			ValidateUpdate: checkedUpdate(validation.ValidateConfigMapUpdate),
		},
	}
}
