package registry

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func persistentVolumeClaims() Definition[*corev1.PersistentVolumeClaim] {
	return Definition[*corev1.PersistentVolumeClaim]{
		Version: corev1.SchemeGroupVersion, Resource: "persistentvolumeclaims", Singular: "persistentvolumeclaim", Namespaced: true,
		ShortNames: []string{"pvc"},
		New:        func() *corev1.PersistentVolumeClaim { return &corev1.PersistentVolumeClaim{} },
		NewList:    func() runtime.Object { return &corev1.PersistentVolumeClaimList{} },
		Status:     &Strategy[*corev1.PersistentVolumeClaim]{},
	}
}
