package registry

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func resourceQuotas() Definition[*corev1.ResourceQuota] {
	return Definition[*corev1.ResourceQuota]{
		Version: corev1.SchemeGroupVersion, Resource: "resourcequotas", Singular: "resourcequota", Namespaced: true,
		ShortNames: []string{"quota"},
		New:        func() *corev1.ResourceQuota { return &corev1.ResourceQuota{} },
		NewList:    func() runtime.Object { return &corev1.ResourceQuotaList{} },
		Main: Strategy[*corev1.ResourceQuota]{
			PrepareForCreate: func(_ context.Context, q *corev1.ResourceQuota) { q.Status = corev1.ResourceQuotaStatus{} },
			Validate:         checked(validation.ValidateResourceQuotaCreate),
			PrepareForUpdate: func(_ context.Context, q, old *corev1.ResourceQuota) { q.Status = old.Status },
			ValidateUpdate:   checkedUpdate(validation.ValidateResourceQuotaUpdate),
			ResetFields:      []string{"status"},
		},
		Status: &Strategy[*corev1.ResourceQuota]{
			PrepareForUpdate: func(_ context.Context, q, old *corev1.ResourceQuota) { q.Spec = old.Spec },
			ValidateUpdate:   checkedUpdate(validation.ValidateResourceQuotaStatusUpdate),
			ResetFields:      []string{"spec"},
		},
		Customize: returnDeleted,
	}
}
