package registry

import (
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func daemonSets() Definition[*appsv1.DaemonSet] {
	return Definition[*appsv1.DaemonSet]{
		Version: appsv1.SchemeGroupVersion, Resource: "daemonsets", Singular: "daemonset", Namespaced: true,
		ShortNames: []string{"ds"}, Categories: []string{"all"},
		New:     func() *appsv1.DaemonSet { return &appsv1.DaemonSet{} },
		NewList: func() runtime.Object { return &appsv1.DaemonSetList{} },
		Status:  &Strategy[*appsv1.DaemonSet]{},
	}
}
