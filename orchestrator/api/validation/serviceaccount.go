package validation

import (
	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateServiceAccountCreate checks a new service account.
func ValidateServiceAccountCreate(s *v1.ServiceAccount) field.ErrorList {
	return validateMeta(&s.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
}

// ValidateServiceAccountUpdate checks a changed service account.
func ValidateServiceAccountUpdate(s, old *v1.ServiceAccount) field.ErrorList {
	errs := validateMetaUpdate(&s.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	return append(errs, ValidateServiceAccountCreate(s)...)
}
