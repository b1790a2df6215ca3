package validation

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidatePodTemplateSpec checks the template that pods are made from, found at
// path in an object of some other kind.
func ValidatePodTemplateSpec(template *v1.PodTemplateSpec, path *field.Path) field.ErrorList {
	annotations, spec := path.Child("annotations"), path.Child("spec")
	errs := slices.Concat(
		metavalidation.ValidateLabels(template.Labels, path.Child("labels")),
		apivalidation.ValidateAnnotations(template.Annotations, annotations),
		validatePodAnnotations(template.Annotations, &template.Spec, annotations),
		validatePodSpec(&template.Spec, nil, spec),
		validateProfileAnnotations(template.Annotations, &template.Spec, spec),
	)
	if len(template.Spec.EphemeralContainers) > 0 {
		errs = append(errs, field.Forbidden(spec.Child("ephemeralContainers"), "ephemeral containers not allowed in pod template"))
	}
	return errs
}

// ValidatePodTemplateCreate checks a new object of kind PodTemplate.
func ValidatePodTemplateCreate(template *v1.PodTemplate) field.ErrorList {
	return slices.Concat(
		validateMeta(&template.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata")),
		ValidatePodTemplateSpec(&template.Template, field.NewPath("template")))
}

// ValidatePodTemplateUpdate checks a changed object of kind PodTemplate.
func ValidatePodTemplateUpdate(template, old *v1.PodTemplate) field.ErrorList {
	return slices.Concat(
		validateMetaUpdate(&template.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata")),
		ValidatePodTemplateSpec(&template.Template, field.NewPath("template")))
}
