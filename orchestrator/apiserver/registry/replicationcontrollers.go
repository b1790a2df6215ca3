package registry

import (
	"context"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func replicationControllers() Definition[*corev1.ReplicationController] {
	return Definition[*corev1.ReplicationController]{
		Version: corev1.SchemeGroupVersion, Resource: "replicationcontrollers", Singular: "replicationcontroller", Namespaced: true,
		ShortNames: []string{"rc"}, Categories: []string{"all"},
		New:     func() *corev1.ReplicationController { return &corev1.ReplicationController{} },
		NewList: func() runtime.Object { return &corev1.ReplicationControllerList{} },
		Main: Strategy[*corev1.ReplicationController]{
			PrepareForCreate: func(_ context.Context, rc *corev1.ReplicationController) {
				rc.Status, rc.Generation = corev1.ReplicationControllerStatus{}, 1
			},
			Validate:         checked(validation.ValidateReplicationControllerCreate),
			WarningsOnCreate: always(replicationControllerWarnings),
			WarningsOnUpdate: ifRaised(replicationControllerWarnings),
			PrepareForUpdate: func(_ context.Context, rc, old *corev1.ReplicationController) {
				rc.Status = old.Status
				raise(rc, old, rc.Spec, old.Spec)
			},
			ValidateUpdate: checkedUpdate(validation.ValidateReplicationControllerUpdate),
			// Clients of the first version delete pods themselves.
			GarbageCollection: rest.OrphanDependents,
			ResetFields:       []string{"status"},
		},
		Status: &Strategy[*corev1.ReplicationController]{
			PrepareForUpdate: func(_ context.Context, rc, old *corev1.ReplicationController) { rc.Spec = old.Spec },
			ValidateUpdate:   checkedUpdate(validation.ValidateReplicationControllerStatusUpdate),
			ResetFields:      []string{"spec"},
		},
		Fields: func(rc *corev1.ReplicationController) fields.Set {
			return fields.Set{"status.replicas": strconv.Itoa(int(rc.Status.Replicas))}
		},
		Subresources: map[string]func(*genericregistry.Store, *Environment) rest.Storage{
			"scale": scaleOf(scaled[*corev1.ReplicationController]{
				version: corev1.SchemeGroupVersion, resource: "replicationcontrollers",
				replicas: func(rc *corev1.ReplicationController) (**int32, int32) {
					return &rc.Spec.Replicas, rc.Status.Replicas
				},
				selector: func(rc *corev1.ReplicationController) (labels.Selector, error) {
					return labels.SelectorFromSet(rc.Spec.Selector), nil
				},
			}),
		},
	}
}

func replicationControllerWarnings(rc *corev1.ReplicationController) []string {
	return warnOfTemplate(rc.Name, rc.Spec.Template)
}
