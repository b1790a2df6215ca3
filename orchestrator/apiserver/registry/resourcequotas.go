package registry

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func resourceQuotas() Definition[*corev1.ResourceQuota] {
	return Definition[*corev1.ResourceQuota]{
		Version: corev1.SchemeGroupVersion, Resource: "resourcequotas", Singular: "resourcequota", Namespaced: true,
		ShortNames: []string{"quota"},
		New:        func() *corev1.ResourceQuota { return &corev1.ResourceQuota{} },
		NewList:    func() runtime.Object { return &corev1.ResourceQuotaList{} },
		Status:     &Strategy[*corev1.ResourceQuota]{},
	}
}
