package registry

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func deployments() Definition[*appsv1.Deployment] {
	return Definition[*appsv1.Deployment]{
		Version: appsv1.SchemeGroupVersion, Resource: "deployments", Singular: "deployment", Namespaced: true,
		ShortNames: []string{"deploy"}, Categories: []string{"all"},
		New:     func() *appsv1.Deployment { return &appsv1.Deployment{} },
		NewList: func() runtime.Object { return &appsv1.DeploymentList{} },
		Main: Strategy[*appsv1.Deployment]{
			PrepareForCreate: func(_ context.Context, d *appsv1.Deployment) {
				d.Status, d.Generation = appsv1.DeploymentStatus{}, 1
			},
			Validate:         checked(validation.ValidateDeploymentCreate),
			WarningsOnCreate: always(deploymentWarnings),
			WarningsOnUpdate: ifRaised(deploymentWarnings),
			PrepareForUpdate: prepareDeployment,
			ValidateUpdate:   checkedUpdate(validation.ValidateDeploymentUpdate),
			ResetFields:      []string{"status"},
		},
		Status: &Strategy[*appsv1.Deployment]{
			PrepareForUpdate: func(_ context.Context, d, old *appsv1.Deployment) { d.Spec, d.Labels = old.Spec, old.Labels },
			ValidateUpdate:   checkedUpdate(validation.ValidateDeploymentStatusUpdate),
			ResetFields:      []string{"spec", "metadata.labels"},
		},
		Subresources: map[string]func(*genericregistry.Store, *Environment) rest.Storage{
			"scale": scaleOf(scaled[*appsv1.Deployment]{
				version: appsv1.SchemeGroupVersion, resource: "deployments",
				replicas: func(d *appsv1.Deployment) (**int32, int32) { return &d.Spec.Replicas, d.Status.Replicas },
				selector: func(d *appsv1.Deployment) (labels.Selector, error) {
					return metav1.LabelSelectorAsSelector(d.Spec.Selector)
				},
			}),
		},
	}
}

// prepareDeployment raises the generation with annotations too: they are
// copied to replica sets.
func prepareDeployment(_ context.Context, d, old *appsv1.Deployment) {
	d.Status = old.Status
	if !equality.Semantic.DeepEqual(d.Spec, old.Spec) || !equality.Semantic.DeepEqual(d.Annotations, old.Annotations) {
		d.Generation = old.Generation + 1
	}
}

func deploymentWarnings(d *appsv1.Deployment) []string {
	return warnOfTemplate(d.Name, &d.Spec.Template)
}
