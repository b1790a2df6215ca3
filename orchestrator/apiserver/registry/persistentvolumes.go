package registry

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func persistentVolumes() Definition[*corev1.PersistentVolume] {
	return Definition[*corev1.PersistentVolume]{
		Version: corev1.SchemeGroupVersion, Resource: "persistentvolumes", Singular: "persistentvolume",
		ShortNames: []string{"pv"},
		New:        func() *corev1.PersistentVolume { return &corev1.PersistentVolume{} },
		NewList:    func() runtime.Object { return &corev1.PersistentVolumeList{} },
		Main: Strategy[*corev1.PersistentVolume]{
			PrepareForCreate: func(_ context.Context, v *corev1.PersistentVolume) {
				now := metav1.Now()
				v.Status = corev1.PersistentVolumeStatus{Phase: corev1.VolumePending, LastPhaseTransitionTime: &now}
			},
			Validate:         checked(validation.ValidatePersistentVolumeCreate),
			PrepareForUpdate: func(_ context.Context, v, old *corev1.PersistentVolume) { v.Status = old.Status },
			ValidateUpdate:   checkedUpdate(validation.ValidatePersistentVolumeUpdate),
			ResetFields:      []string{"status"},
		},
		Status: &Strategy[*corev1.PersistentVolume]{
			PrepareForUpdate: prepareVolumeStatus,
			ValidateUpdate:   checkedUpdate(validation.ValidatePersistentVolumeStatusUpdate),
			ResetFields:      []string{"spec"},
		},
		Customize: returnDeleted,
	}
}

// prepareVolumeStatus notes when the phase changes, unless the client does.
func prepareVolumeStatus(_ context.Context, v, old *corev1.PersistentVolume) {
	v.Spec = old.Spec
	at, before := v.Status.LastPhaseTransitionTime, old.Status.LastPhaseTransitionTime
	switch same := v.Status.Phase == old.Status.Phase; {
	case same && at == nil:
		v.Status.LastPhaseTransitionTime = before
	case !same && (at == nil || at.Equal(before)):
		now := metav1.Now()
		v.Status.LastPhaseTransitionTime = &now
	}
}
