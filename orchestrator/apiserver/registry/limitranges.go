package registry

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func limitRanges() Definition[*corev1.LimitRange] {
	return Definition[*corev1.LimitRange]{
		Version: corev1.SchemeGroupVersion, Resource: "limitranges", Singular: "limitrange", Namespaced: true,
		ShortNames: []string{"limits"},
		New:        func() *corev1.LimitRange { return &corev1.LimitRange{} },
		NewList:    func() runtime.Object { return &corev1.LimitRangeList{} },
		Main: Strategy[*corev1.LimitRange]{
			Validate:       checked(validation.ValidateLimitRangeCreate),
			ValidateUpdate: checkedUpdate(validation.ValidateLimitRangeUpdate),
			CreateOnUpdate: true,
		},
	}
}
