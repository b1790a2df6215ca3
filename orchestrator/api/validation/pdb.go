package validation

import (
	policyv1 "k8s.io/api/policy/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidatePodDisruptionBudgetCreate checks a new budget.
func ValidatePodDisruptionBudgetCreate(b *policyv1.PodDisruptionBudget) field.ErrorList {
	errs := validateMeta(&b.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	return append(errs, validateBudgetSpec(&b.Spec, field.NewPath("spec"))...)
}

// ValidatePodDisruptionBudgetUpdate checks a changed budget.
func ValidatePodDisruptionBudgetUpdate(b, old *policyv1.PodDisruptionBudget) field.ErrorList {
	errs := validateMetaUpdate(&b.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	return append(errs, validateBudgetSpec(&b.Spec, field.NewPath("spec"))...)
}

// ValidatePodDisruptionBudgetStatusUpdate checks a changed status of a budget.
func ValidatePodDisruptionBudgetStatusUpdate(b, old *policyv1.PodDisruptionBudget) field.ErrorList {
	errs := validateMetaUpdate(&b.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	s, path := &b.Status, field.NewPath("status")
	errs = append(errs, metav1validation.ValidateConditions(s.Conditions, path.Child("conditions"))...)
	errs = append(errs, validateNonnegative(int64(s.DisruptionsAllowed), path.Child("disruptionsAllowed"))...)
	errs = append(errs, validateNonnegative(int64(s.CurrentHealthy), path.Child("currentHealthy"))...)
	errs = append(errs, validateNonnegative(int64(s.DesiredHealthy), path.Child("desiredHealthy"))...)
	return append(errs, validateNonnegative(int64(s.ExpectedPods), path.Child("expectedPods"))...)
}

func validateBudgetSpec(s *policyv1.PodDisruptionBudgetSpec, path *field.Path) (errs field.ErrorList) {
	if s.MinAvailable != nil && s.MaxUnavailable != nil {
		errs = append(errs, field.Invalid(path, *s, "minAvailable and maxUnavailable cannot be both set"))
	}
	if v := s.MinAvailable; v != nil {
		errs = append(errs, validateIntOrPercent(*v, path.Child("minAvailable"))...)
		errs = append(errs, validateAtMost100Percent(*v, path.Child("minAvailable"))...)
	}
	if v := s.MaxUnavailable; v != nil {
		errs = append(errs, validateIntOrPercent(*v, path.Child("maxUnavailable"))...)
		errs = append(errs, validateAtMost100Percent(*v, path.Child("maxUnavailable"))...)
	}
	errs = append(errs, metav1validation.ValidateLabelSelector(s.Selector, metav1validation.LabelSelectorValidationOptions{}, path.Child("selector"))...)
	if p := s.UnhealthyPodEvictionPolicy; p != nil {
		errs = append(errs, oneOf(path.Child("unhealthyPodEvictionPolicy"), *p, policyv1.AlwaysAllow, policyv1.IfHealthyBudget)...)
	}
	return errs
}
