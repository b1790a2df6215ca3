package registry

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
)

func secrets() Definition[*corev1.Secret] {
	return Definition[*corev1.Secret]{
		Version: corev1.SchemeGroupVersion, Resource: "secrets", Singular: "secret", Namespaced: true,
		New:     func() *corev1.Secret { return &corev1.Secret{} },
		NewList: func() runtime.Object { return &corev1.SecretList{} },
		Fields:  secretFields,
	}
}

func secretFields(s *corev1.Secret) fields.Set { return fields.Set{"type": string(s.Type)} }
