package validation

import (
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateScale checks the scale that a client asks for.
func ValidateScale(s *autoscalingv1.Scale) field.ErrorList {
	errs := validateMeta(&s.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	return append(errs, validateNonnegative(int64(s.Spec.Replicas), field.NewPath("spec", "replicas"))...)
}
