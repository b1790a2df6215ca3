package registry

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func persistentVolumes() Definition[*corev1.PersistentVolume] {
	return Definition[*corev1.PersistentVolume]{
		Version: corev1.SchemeGroupVersion, Resource: "persistentvolumes", Singular: "persistentvolume",
		ShortNames: []string{"pv"},
		New:        func() *corev1.PersistentVolume { return &corev1.PersistentVolume{} },
		NewList:    func() runtime.Object { return &corev1.PersistentVolumeList{} },
		Status:     &Strategy[*corev1.PersistentVolume]{},
	}
}
