package registry

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func podTemplates() Definition[*corev1.PodTemplate] {
	return Definition[*corev1.PodTemplate]{
		Version: corev1.SchemeGroupVersion, Resource: "podtemplates", Singular: "podtemplate", Namespaced: true,
		New:     func() *corev1.PodTemplate { return &corev1.PodTemplate{} },
		NewList: func() runtime.Object { return &corev1.PodTemplateList{} },
	}
}
