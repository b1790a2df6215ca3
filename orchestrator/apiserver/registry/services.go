package registry

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func services() Definition[*corev1.Service] {
	return Definition[*corev1.Service]{
		Version: corev1.SchemeGroupVersion, Resource: "services", Singular: "service", Namespaced: true,
		ShortNames: []string{"svc"}, Categories: []string{"all"},
		New:     func() *corev1.Service { return &corev1.Service{} },
		NewList: func() runtime.Object { return &corev1.ServiceList{} },
		Main: Strategy[*corev1.Service]{
			PrepareForCreate: func(_ context.Context, s *corev1.Service) { s.Status = corev1.ServiceStatus{} },
			Validate:         checked(validation.ValidateServiceCreate),
			WarningsOnCreate: always(validation.ServiceWarnings),
			WarningsOnUpdate: func(_ context.Context, s, _ *corev1.Service) []string { return validation.ServiceWarnings(s) },
			PrepareForUpdate: prepareService,
			ValidateUpdate:   checkedUpdate(validation.ValidateServiceUpdate),
			CreateOnUpdate:   true,
			ResetFields:      []string{"status"},
		},
		Status: &Strategy[*corev1.Service]{
			PrepareForUpdate: func(_ context.Context, s, old *corev1.Service) { s.Spec = old.Spec },
			ValidateUpdate:   checkedUpdate(validation.ValidateServiceStatusUpdate),
			ResetFields:      []string{"spec"},
		},
		Fields:    serviceFields,
		Customize: hookServices,
	}
}

// prepareService keeps the status, but for the addresses of a load balancer
// that the service no longer has.
func prepareService(_ context.Context, s, old *corev1.Service) {
	s.Status = *old.Status.DeepCopy()
	if s.Spec.Type != corev1.ServiceTypeLoadBalancer {
		s.Status.LoadBalancer = corev1.LoadBalancerStatus{}
	}
}

func serviceFields(s *corev1.Service) fields.Set {
	return fields.Set{"spec.clusterIP": s.Spec.ClusterIP, "spec.type": string(s.Spec.Type)}
}
