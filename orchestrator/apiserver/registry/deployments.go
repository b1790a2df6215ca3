package registry

import (
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func deployments() Definition[*appsv1.Deployment] {
	return Definition[*appsv1.Deployment]{
		Version: appsv1.SchemeGroupVersion, Resource: "deployments", Singular: "deployment", Namespaced: true,
		ShortNames: []string{"deploy"}, Categories: []string{"all"},
		New:     func() *appsv1.Deployment { return &appsv1.Deployment{} },
		NewList: func() runtime.Object { return &appsv1.DeploymentList{} },
		Status:  &Strategy[*appsv1.Deployment]{},
	}
}
