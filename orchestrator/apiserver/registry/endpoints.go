package registry

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func endpoints() Definition[*corev1.Endpoints] {
	return Definition[*corev1.Endpoints]{
		Version: corev1.SchemeGroupVersion, Resource: "endpoints", Singular: "endpoints", Namespaced: true,
		ShortNames: []string{"ep"},
		New:        func() *corev1.Endpoints { return &corev1.Endpoints{} },
		NewList:    func() runtime.Object { return &corev1.EndpointsList{} },
		Main: Strategy[*corev1.Endpoints]{
			Validate:       checked(validation.ValidateEndpointsCreate),
			ValidateUpdate: checkedUpdate(validation.ValidateEndpointsUpdate),
			CreateOnUpdate: true,
		},
	}
}
