package registry

import (
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func podDisruptionBudgets() Definition[*policyv1.PodDisruptionBudget] {
	return Definition[*policyv1.PodDisruptionBudget]{
		Version: policyv1.SchemeGroupVersion, Resource: "poddisruptionbudgets", Singular: "poddisruptionbudget", Namespaced: true,
		ShortNames: []string{"pdb"},
		New:        func() *policyv1.PodDisruptionBudget { return &policyv1.PodDisruptionBudget{} },
		NewList:    func() runtime.Object { return &policyv1.PodDisruptionBudgetList{} },
		Status:     &Strategy[*policyv1.PodDisruptionBudget]{},
	}
}
