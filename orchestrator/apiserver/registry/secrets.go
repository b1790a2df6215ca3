package registry

import (
	"context"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func secrets() Definition[*corev1.Secret] {
	return Definition[*corev1.Secret]{
		Version: corev1.SchemeGroupVersion, Resource: "secrets", Singular: "secret", Namespaced: true,
		New:     func() *corev1.Secret { return &corev1.Secret{} },
		NewList: func() runtime.Object { return &corev1.SecretList{} },
		Main: Strategy[*corev1.Secret]{
			Validate:         checked(validation.ValidateSecretCreate),
			PrepareForUpdate: keepSecretType,
			ValidateUpdate:   checkedUpdate(validation.ValidateSecretUpdate),
		},
		Fields: secretFields,
	}
}

func secretFields(s *corev1.Secret) fields.Set { return fields.Set{"type": string(s.Type)} }

// keepSecretType takes the type from old when the client leaves it out.
func keepSecretType(_ context.Context, s, old *corev1.Secret) {
	if s.Type == "" {
		s.Type = old.Type
	}
}
