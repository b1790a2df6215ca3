package registry

import (
	"context"

	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func podDisruptionBudgets() Definition[*policyv1.PodDisruptionBudget] {
	return Definition[*policyv1.PodDisruptionBudget]{
		Version: policyv1.SchemeGroupVersion, Resource: "poddisruptionbudgets", Singular: "poddisruptionbudget", Namespaced: true,
		ShortNames: []string{"pdb"},
		New:        func() *policyv1.PodDisruptionBudget { return &policyv1.PodDisruptionBudget{} },
		NewList:    func() runtime.Object { return &policyv1.PodDisruptionBudgetList{} },
		Main: Strategy[*policyv1.PodDisruptionBudget]{
			PrepareForCreate: func(_ context.Context, b *policyv1.PodDisruptionBudget) {
				b.Status, b.Generation = policyv1.PodDisruptionBudgetStatus{}, 1
			},
			Validate: checked(validation.ValidatePodDisruptionBudgetCreate),
			PrepareForUpdate: func(_ context.Context, b, old *policyv1.PodDisruptionBudget) {
				b.Status = old.Status
				raise(b, old, b.Spec, old.Spec)
			},
			ValidateUpdate:  checkedUpdate(validation.ValidatePodDisruptionBudgetUpdate),
			MustHaveVersion: true,
			ResetFields:     []string{"status"},
		},
		Status: &Strategy[*policyv1.PodDisruptionBudget]{
			PrepareForUpdate: func(_ context.Context, b, old *policyv1.PodDisruptionBudget) { b.Spec = old.Spec },
			ValidateUpdate:   checkedUpdate(validation.ValidatePodDisruptionBudgetStatusUpdate),
			MustHaveVersion:  true,
			ResetFields:      []string{"spec"},
		},
	}
}
