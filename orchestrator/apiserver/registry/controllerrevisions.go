package registry

import (
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func controllerRevisions() Definition[*appsv1.ControllerRevision] {
	return Definition[*appsv1.ControllerRevision]{
		Version: appsv1.SchemeGroupVersion, Resource: "controllerrevisions", Singular: "controllerrevision", Namespaced: true,
		New:     func() *appsv1.ControllerRevision { return &appsv1.ControllerRevision{} },
		NewList: func() runtime.Object { return &appsv1.ControllerRevisionList{} },
		Main: Strategy[*appsv1.ControllerRevision]{
			Validate:       checked(validation.ValidateControllerRevisionCreate),
			ValidateUpdate: checkedUpdate(validation.ValidateControllerRevisionUpdate),
		},
	}
}
