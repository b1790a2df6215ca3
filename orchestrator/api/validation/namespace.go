package validation

import (
	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateNamespaceCreate checks a new namespace.
func ValidateNamespaceCreate(n *v1.Namespace) field.ErrorList {
	errs := validateMeta(&n.ObjectMeta, false, apivalidation.NameIsDNSLabel, field.NewPath("metadata"))
	return append(errs, validateNamespaceFinalizers(n, func(int) *field.Path { return field.NewPath("spec", "finalizers") })...)
}

// ValidateNamespaceUpdate checks a changed namespace.
func ValidateNamespaceUpdate(n, old *v1.Namespace) field.ErrorList {
	return validateMetaUpdate(&n.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
}

// ValidateNamespaceStatusUpdate checks that the phase tells whether the
// namespace is being deleted.
func ValidateNamespaceStatusUpdate(n, old *v1.Namespace) field.ErrorList {
	errs := validateMetaUpdate(&n.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	want, message := v1.NamespaceActive, "may only be 'Active' if `deletionTimestamp` is empty"
	if !n.DeletionTimestamp.IsZero() {
		want, message = v1.NamespaceTerminating, "may only be 'Terminating' if `deletionTimestamp` is not empty"
	}
	if n.Status.Phase != want {
		errs = append(errs, field.Invalid(field.NewPath("status", "Phase"), n.Status.Phase, message))
	}
	return errs
}

// ValidateNamespaceFinalizeUpdate checks the finalizers that are left.
func ValidateNamespaceFinalizeUpdate(n, old *v1.Namespace) field.ErrorList {
	errs := validateMetaUpdate(&n.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	return append(errs, validateNamespaceFinalizers(n, field.NewPath("spec", "finalizers").Index)...)
}

func validateNamespaceFinalizers(n *v1.Namespace, path func(int) *field.Path) (errs field.ErrorList) {
	for i, name := range n.Spec.Finalizers {
		errs = append(errs, apivalidation.ValidateFinalizerName(string(name), path(i))...)
		errs = append(errs, validateFinalizer(string(name), path(i))...)
	}
	return errs
}
