package validation

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// nameIsPathSegment takes what fits between two slashes, as names of roles do.
func nameIsPathSegment(name string, _ bool) []string { return content.IsPathSegmentName(name) }

// ValidateRoleCreate checks a new role.
func ValidateRoleCreate(r *rbacv1.Role) field.ErrorList {
	errs := validateMeta(&r.ObjectMeta, true, nameIsPathSegment, field.NewPath("metadata"))
	return append(errs, validatePolicyRules(r.Rules, true)...)
}

// ValidateRoleUpdate checks a changed role.
func ValidateRoleUpdate(r, old *rbacv1.Role) field.ErrorList {
	return append(ValidateRoleCreate(r), validateMetaUpdate(&r.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))...)
}

// ValidateClusterRoleCreate checks a new cluster role.
func ValidateClusterRoleCreate(r *rbacv1.ClusterRole) field.ErrorList {
	errs := validateMeta(&r.ObjectMeta, false, nameIsPathSegment, field.NewPath("metadata"))
	errs = append(errs, validatePolicyRules(r.Rules, false)...)
	return append(errs, validateAggregation(r.AggregationRule, field.NewPath("aggregationRule", "clusterRoleSelectors"))...)
}

// ValidateClusterRoleUpdate checks a changed cluster role.
func ValidateClusterRoleUpdate(r, old *rbacv1.ClusterRole) field.ErrorList {
	return append(ValidateClusterRoleCreate(r), validateMetaUpdate(&r.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))...)
}

func validateAggregation(rule *rbacv1.AggregationRule, at *field.Path) (errs field.ErrorList) {
	if rule == nil {
		return nil
	}
	if len(rule.ClusterRoleSelectors) == 0 {
		return field.ErrorList{field.Required(at, "at least one clusterRoleSelector required if aggregationRule is non-nil")}
	}
	for i := range rule.ClusterRoleSelectors {
		errs = append(errs, metavalidation.ValidateLabelSelector(&rule.ClusterRoleSelectors[i], metavalidation.LabelSelectorValidationOptions{}, at.Index(i))...)
	}
	return errs
}

func validatePolicyRules(rules []rbacv1.PolicyRule, namespaced bool) (errs field.ErrorList) {
	for i := range rules {
		errs = append(errs, validatePolicyRule(&rules[i], namespaced, field.NewPath("rules").Index(i))...)
	}
	return errs
}

// validatePolicyRule: a rule is of resources or of paths, and the latter are in
// no namespace.
func validatePolicyRule(r *rbacv1.PolicyRule, namespaced bool, at *field.Path) (errs field.ErrorList) {
	if len(r.Verbs) == 0 {
		errs = append(errs, field.Required(at.Child("verbs"), "verbs must contain at least one value"))
	}
	if len(r.NonResourceURLs) > 0 {
		paths := at.Child("nonResourceURLs")
		if namespaced {
			errs = append(errs, field.Invalid(paths, r.NonResourceURLs, "namespaced rules cannot apply to non-resource URLs"))
		}
		if len(r.APIGroups)+len(r.Resources)+len(r.ResourceNames) > 0 {
			errs = append(errs, field.Invalid(paths, r.NonResourceURLs, "rules cannot apply to both regular resources and non-resource URLs"))
		}
		return errs
	}
	if len(r.APIGroups) == 0 {
		errs = append(errs, field.Required(at.Child("apiGroups"), "resource rules must supply at least one api group"))
	}
	if len(r.Resources) == 0 {
		errs = append(errs, field.Required(at.Child("resources"), "resource rules must supply at least one resource"))
	}
	return errs
}

// ValidateRoleBindingCreate checks a new role binding.
func ValidateRoleBindingCreate(b *rbacv1.RoleBinding) field.ErrorList {
	errs := validateMeta(&b.ObjectMeta, true, nameIsPathSegment, field.NewPath("metadata"))
	errs = append(errs, validateRoleRef(b.RoleRef, []string{"Role", "ClusterRole"}, field.NewPath("roleRef"))...)
	return append(errs, validateSubjects(b.Subjects, true)...)
}

// ValidateRoleBindingUpdate checks a changed role binding; its role stays.
func ValidateRoleBindingUpdate(b, old *rbacv1.RoleBinding) field.ErrorList {
	errs := append(ValidateRoleBindingCreate(b), validateMetaUpdate(&b.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))...)
	return append(errs, validateSameRole(b.RoleRef, old.RoleRef)...)
}

// ValidateClusterRoleBindingCreate checks a new cluster role binding.
func ValidateClusterRoleBindingCreate(b *rbacv1.ClusterRoleBinding) field.ErrorList {
	errs := validateMeta(&b.ObjectMeta, false, nameIsPathSegment, field.NewPath("metadata"))
	errs = append(errs, validateRoleRef(b.RoleRef, []string{"ClusterRole"}, field.NewPath("roleRef"))...)
	return append(errs, validateSubjects(b.Subjects, false)...)
}

// ValidateClusterRoleBindingUpdate checks a changed cluster role binding; its
// role stays.
func ValidateClusterRoleBindingUpdate(b, old *rbacv1.ClusterRoleBinding) field.ErrorList {
	errs := append(ValidateClusterRoleBindingCreate(b), validateMetaUpdate(&b.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))...)
	return append(errs, validateSameRole(b.RoleRef, old.RoleRef)...)
}

func validateSameRole(ref, old rbacv1.RoleRef) field.ErrorList {
	if ref == old {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("roleRef"), ref, "cannot change roleRef")}
}

func validateRoleRef(ref rbacv1.RoleRef, kinds []string, at *field.Path) field.ErrorList {
	errs := oneOf(at.Child("apiGroup"), ref.APIGroup, rbacv1.GroupName)
	if !slices.Contains(kinds, ref.Kind) {
		errs = append(errs, field.NotSupported(at.Child("kind"), ref.Kind, kinds))
	}
	if ref.Name == "" {
		return append(errs, field.Required(at.Child("name"), ""))
	}
	for _, message := range nameIsPathSegment(ref.Name, false) {
		errs = append(errs, field.Invalid(at.Child("name"), ref.Name, message))
	}
	return errs
}

func validateSubjects(subjects []rbacv1.Subject, namespaced bool) (errs field.ErrorList) {
	for i := range subjects {
		errs = append(errs, validateSubject(&subjects[i], namespaced, field.NewPath("subjects").Index(i))...)
	}
	return errs
}

func validateSubject(s *rbacv1.Subject, namespaced bool, at *field.Path) (errs field.ErrorList) {
	if s.Name == "" {
		errs = append(errs, field.Required(at.Child("name"), ""))
	}
	switch s.Kind {
	case rbacv1.ServiceAccountKind:
		return append(errs, validateAccountSubject(s, namespaced, at)...)
	case rbacv1.UserKind, rbacv1.GroupKind:
		return append(errs, oneOf(at.Child("apiGroup"), s.APIGroup, rbacv1.GroupName)...)
	}
	return append(errs, field.NotSupported(at.Child("kind"), s.Kind, []string{rbacv1.ServiceAccountKind, rbacv1.UserKind, rbacv1.GroupKind}))
}

func validateAccountSubject(s *rbacv1.Subject, namespaced bool, at *field.Path) (errs field.ErrorList) {
	if s.Name != "" {
		for _, message := range apivalidation.ValidateServiceAccountName(s.Name, false) {
			errs = append(errs, field.Invalid(at.Child("name"), s.Name, message))
		}
	}
	errs = append(errs, oneOf(at.Child("apiGroup"), s.APIGroup, "")...)
	if !namespaced && s.Namespace == "" {
		errs = append(errs, field.Required(at.Child("namespace"), ""))
	}
	return errs
}
