package registry

import (
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func priorityClasses() Definition[*schedulingv1.PriorityClass] {
	return Definition[*schedulingv1.PriorityClass]{
		Version: schedulingv1.SchemeGroupVersion, Resource: "priorityclasses", Singular: "priorityclass",
		ShortNames: []string{"pc"},
		New:        func() *schedulingv1.PriorityClass { return &schedulingv1.PriorityClass{} },
		NewList:    func() runtime.Object { return &schedulingv1.PriorityClassList{} },
		Main: Strategy[*schedulingv1.PriorityClass]{
			Validate:       checked(validation.ValidatePriorityClassCreate),
			ValidateUpdate: checkedUpdate(validation.ValidatePriorityClassUpdate),
		},
	}
}
