package registry

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func serviceAccounts() Definition[*corev1.ServiceAccount] {
	return Definition[*corev1.ServiceAccount]{
		Version: corev1.SchemeGroupVersion, Resource: "serviceaccounts", Singular: "serviceaccount", Namespaced: true,
		ShortNames: []string{"sa"},
		New:        func() *corev1.ServiceAccount { return &corev1.ServiceAccount{} },
		NewList:    func() runtime.Object { return &corev1.ServiceAccountList{} },
	}
}
