package registry

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func persistentVolumeClaims() Definition[*corev1.PersistentVolumeClaim] {
	return Definition[*corev1.PersistentVolumeClaim]{
		Version: corev1.SchemeGroupVersion, Resource: "persistentvolumeclaims", Singular: "persistentvolumeclaim", Namespaced: true,
		ShortNames: []string{"pvc"},
		New:        func() *corev1.PersistentVolumeClaim { return &corev1.PersistentVolumeClaim{} },
		NewList:    func() runtime.Object { return &corev1.PersistentVolumeClaimList{} },
		Main: Strategy[*corev1.PersistentVolumeClaim]{
			PrepareForCreate: func(_ context.Context, c *corev1.PersistentVolumeClaim) {
				c.Status = corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending}
				equalizeDataSources(&c.Spec)
			},
			Validate: checked(validation.ValidatePersistentVolumeClaimCreate),
			PrepareForUpdate: func(_ context.Context, c, old *corev1.PersistentVolumeClaim) {
				c.Status = old.Status
				equalizeDataSources(&c.Spec)
			},
			ValidateUpdate: checkedUpdate(validation.ValidatePersistentVolumeClaimUpdate),
			ResetFields:    []string{"status"},
		},
		Status: &Strategy[*corev1.PersistentVolumeClaim]{
			PrepareForUpdate: func(_ context.Context, c, old *corev1.PersistentVolumeClaim) { c.Spec = old.Spec },
			ValidateUpdate:   checkedUpdate(validation.ValidatePersistentVolumeClaimStatusUpdate),
			ResetFields:      []string{"spec"},
		},
		Customize: returnDeleted,
	}
}

// equalizeDataSources sets the newer and the older field for where a claim's
// data come from to the same, if only one is given.
func equalizeDataSources(s *corev1.PersistentVolumeClaimSpec) {
	switch {
	case s.DataSource != nil && s.DataSourceRef == nil:
		s.DataSourceRef = &corev1.TypedObjectReference{APIGroup: s.DataSource.APIGroup, Kind: s.DataSource.Kind, Name: s.DataSource.Name}
	case s.DataSourceRef != nil && s.DataSource == nil && (s.DataSourceRef.Namespace == nil || *s.DataSourceRef.Namespace == ""):
		s.DataSource = &corev1.TypedLocalObjectReference{APIGroup: s.DataSourceRef.APIGroup, Kind: s.DataSourceRef.Kind, Name: s.DataSourceRef.Name}
	}
}
