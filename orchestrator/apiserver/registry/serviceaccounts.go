package registry

import (
	"context"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func serviceAccounts() Definition[*corev1.ServiceAccount] {
	return Definition[*corev1.ServiceAccount]{
		Version: corev1.SchemeGroupVersion, Resource: "serviceaccounts", Singular: "serviceaccount", Namespaced: true,
		ShortNames: []string{"sa"},
		New:        func() *corev1.ServiceAccount { return &corev1.ServiceAccount{} },
		NewList:    func() runtime.Object { return &corev1.ServiceAccountList{} },
		Main: Strategy[*corev1.ServiceAccount]{
			PrepareForCreate: func(_ context.Context, s *corev1.ServiceAccount) { keepSecretNames(s) },
			Validate:         checked(validation.ValidateServiceAccountCreate),
			PrepareForUpdate: func(_ context.Context, s, _ *corev1.ServiceAccount) { keepSecretNames(s) },
			ValidateUpdate:   checkedUpdate(validation.ValidateServiceAccountUpdate),
		},
		Customize: returnDeleted,
	}
}

// keepSecretNames clears all of the references to secrets but their names.
func keepSecretNames(s *corev1.ServiceAccount) {
	for i, ref := range s.Secrets {
		s.Secrets[i] = corev1.ObjectReference{Name: ref.Name}
	}
}
