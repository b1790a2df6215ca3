package registry

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
)

func services() Definition[*corev1.Service] {
	return Definition[*corev1.Service]{
		Version: corev1.SchemeGroupVersion, Resource: "services", Singular: "service", Namespaced: true,
		ShortNames: []string{"svc"}, Categories: []string{"all"},
		New:     func() *corev1.Service { return &corev1.Service{} },
		NewList: func() runtime.Object { return &corev1.ServiceList{} },
		Status:  &Strategy[*corev1.Service]{},
		Fields:  serviceFields,
	}
}

func serviceFields(s *corev1.Service) fields.Set {
	return fields.Set{"spec.clusterIP": s.Spec.ClusterIP, "spec.type": string(s.Spec.Type)}
}
