package registry

import (
	"context"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func replicaSets() Definition[*appsv1.ReplicaSet] {
	return Definition[*appsv1.ReplicaSet]{
		Version: appsv1.SchemeGroupVersion, Resource: "replicasets", Singular: "replicaset", Namespaced: true,
		ShortNames: []string{"rs"}, Categories: []string{"all"},
		New:     func() *appsv1.ReplicaSet { return &appsv1.ReplicaSet{} },
		NewList: func() runtime.Object { return &appsv1.ReplicaSetList{} },
		Main: Strategy[*appsv1.ReplicaSet]{
			PrepareForCreate: func(_ context.Context, rs *appsv1.ReplicaSet) {
				rs.Status, rs.Generation = appsv1.ReplicaSetStatus{}, 1
			},
			Validate:         checked(validation.ValidateReplicaSetCreate),
			WarningsOnCreate: always(replicaSetWarnings),
			WarningsOnUpdate: ifRaised(replicaSetWarnings),
			PrepareForUpdate: func(_ context.Context, rs, old *appsv1.ReplicaSet) {
				rs.Status = old.Status
				raise(rs, old, rs.Spec, old.Spec)
			},
			ValidateUpdate: checkedUpdate(validation.ValidateReplicaSetUpdate),
			ResetFields:    []string{"status"},
		},
		Status: &Strategy[*appsv1.ReplicaSet]{
			PrepareForUpdate: func(_ context.Context, rs, old *appsv1.ReplicaSet) { rs.Spec = old.Spec },
			ValidateUpdate:   checkedUpdate(validation.ValidateReplicaSetStatusUpdate),
			ResetFields:      []string{"spec"},
		},
		Fields: func(rs *appsv1.ReplicaSet) fields.Set {
			return fields.Set{"status.replicas": strconv.Itoa(int(rs.Status.Replicas))}
		},
		Subresources: map[string]func(*genericregistry.Store, *Environment) rest.Storage{
			"scale": scaleOf(scaled[*appsv1.ReplicaSet]{
				version: appsv1.SchemeGroupVersion, resource: "replicasets",
				replicas: func(rs *appsv1.ReplicaSet) (**int32, int32) { return &rs.Spec.Replicas, rs.Status.Replicas },
				selector: func(rs *appsv1.ReplicaSet) (labels.Selector, error) {
					return metav1.LabelSelectorAsSelector(rs.Spec.Selector)
				},
			}),
		},
	}
}

func replicaSetWarnings(rs *appsv1.ReplicaSet) []string {
	return warnOfTemplate(rs.Name, &rs.Spec.Template)
}
