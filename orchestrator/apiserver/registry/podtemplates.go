package registry

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func podTemplates() Definition[*corev1.PodTemplate] {
	return Definition[*corev1.PodTemplate]{
		Version: corev1.SchemeGroupVersion, Resource: "podtemplates", Singular: "podtemplate", Namespaced: true,
		New:     func() *corev1.PodTemplate { return &corev1.PodTemplate{} },
		NewList: func() runtime.Object { return &corev1.PodTemplateList{} },
		Main: Strategy[*corev1.PodTemplate]{
			PrepareForCreate: func(_ context.Context, t *corev1.PodTemplate) { t.Generation = 1 },
			WarningsOnCreate: always(func(t *corev1.PodTemplate) []string {
				return validation.PodTemplateWarnings(&t.Template, field.NewPath("template"))
			}),
			Validate:         checked(validation.ValidatePodTemplateCreate),
			PrepareForUpdate: func(_ context.Context, t, old *corev1.PodTemplate) { raise(t, old, t.Template, old.Template) },
			ValidateUpdate:   checkedUpdate(validation.ValidatePodTemplateUpdate),
		},
		Customize: returnDeleted,
	}
}
