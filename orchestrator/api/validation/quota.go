package validation

import (
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateResourceQuotaCreate checks a new quota.
func ValidateResourceQuotaCreate(q *v1.ResourceQuota) field.ErrorList {
	errs := validateMeta(&q.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	errs = append(errs, validateQuotaSpec(&q.Spec, field.NewPath("spec"))...)
	return append(errs, validateQuotaStatus(&q.Status)...)
}

// ValidateResourceQuotaUpdate checks a changed quota; its scopes stay.
func ValidateResourceQuotaUpdate(q, old *v1.ResourceQuota) field.ErrorList {
	errs := validateMetaUpdate(&q.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	errs = append(errs, validateQuotaSpec(&q.Spec, field.NewPath("spec"))...)
	if !sets.New(q.Spec.Scopes...).Equal(sets.New(old.Spec.Scopes...)) {
		errs = append(errs, field.Invalid(field.NewPath("spec", "scopes"), q.Spec.Scopes, msgImmutable))
	}
	return errs
}

// ValidateResourceQuotaStatusUpdate checks a changed status of a quota.
func ValidateResourceQuotaStatusUpdate(q, old *v1.ResourceQuota) field.ErrorList {
	errs := validateMetaUpdate(&q.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	errs = append(errs, required(field.NewPath("resourceVersion"), q.ResourceVersion, "")...)
	return append(errs, validateQuotaStatus(&q.Status)...)
}

func validateQuotaStatus(s *v1.ResourceQuotaStatus) field.ErrorList {
	errs := validateQuotaResources(s.Hard, field.NewPath("status", "hard"))
	return append(errs, validateQuotaResources(s.Used, field.NewPath("status", "used"))...)
}

func validateQuotaSpec(s *v1.ResourceQuotaSpec, path *field.Path) field.ErrorList {
	errs := validateQuotaResources(s.Hard, path.Child("hard"))
	errs = append(errs, validateScopes(s, path.Child("scopes"))...)
	if s.ScopeSelector != nil {
		errs = append(errs, validateScopeSelector(s, path.Child("scopeSelector", "matchExpressions"))...)
	}
	return errs
}

func validateQuotaResources(list v1.ResourceList, path *field.Path) (errs field.ErrorList) {
	for _, name := range sortedKeys(list) {
		at := path.Key(string(name))
		errs = append(errs, validateResourceName(name, at)...)
		if !strings.Contains(string(name), "/") && !isQuotaResource(name) {
			errs = append(errs, field.Invalid(at, name, "must be a standard resource for quota"))
		}
		errs = append(errs, validateResourceQuantity(name, list[name], at)...)
	}
	return errs
}

func validateScopes(s *v1.ResourceQuotaSpec, path *field.Path) (errs field.ErrorList) {
	for _, scope := range s.Scopes {
		if !isQuotaScope(scope) {
			errs = append(errs, field.Invalid(path, s.Scopes, "unsupported scope"))
		}
		for range unscopable(s, scope) {
			errs = append(errs, field.Invalid(path, s.Scopes, "unsupported scope applied to resource"))
		}
	}
	return append(errs, validateNoConflict(s.Scopes, s, path)...)
}

func validateScopeSelector(s *v1.ResourceQuotaSpec, path *field.Path) (errs field.ErrorList) {
	var scopes []v1.ResourceQuotaScope
	for _, r := range s.ScopeSelector.MatchExpressions {
		scopes = append(scopes, r.ScopeName)
		if !isQuotaScope(r.ScopeName) {
			errs = append(errs, field.Invalid(path.Child("scopeName"), r.ScopeName, "unsupported scope"))
		}
		for range unscopable(s, r.ScopeName) {
			errs = append(errs, field.Invalid(path, s.ScopeSelector, "unsupported scope applied to resource"))
		}
		errs = append(errs, validateScopeRequirement(&r, path)...)
	}
	return append(errs, validateNoConflict(scopes, s, path)...)
}

func validateScopeRequirement(r *v1.ScopedResourceSelectorRequirement, path *field.Path) (errs field.ErrorList) {
	valued := []v1.ResourceQuotaScope{v1.ResourceQuotaScopePriorityClass, v1.ResourceQuotaScopeVolumeAttributesClass}
	if isQuotaScope(r.ScopeName) && !slices.Contains(valued, r.ScopeName) && r.Operator != v1.ScopeSelectorOpExists {
		errs = append(errs, field.Invalid(path.Child("operator"), r.Operator, "must be 'Exists' when scope is any of "+
			"ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "+
			"ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"))
	}
	switch r.Operator {
	case v1.ScopeSelectorOpIn, v1.ScopeSelectorOpNotIn:
		if len(r.Values) == 0 {
			errs = append(errs, field.Required(path.Child("values"),
				"must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"))
		}
	case v1.ScopeSelectorOpExists, v1.ScopeSelectorOpDoesNotExist:
		if len(r.Values) != 0 {
			errs = append(errs, field.Invalid(path.Child("values"), r.Values,
				"must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"))
		}
	default:
		errs = append(errs, field.Invalid(path.Child("operator"), r.Operator, "not a valid selector operator"))
	}
	return errs
}

// validateNoConflict checks that no pod is both in and out of the scopes.
func validateNoConflict(scopes []v1.ResourceQuotaScope, s *v1.ResourceQuotaSpec, path *field.Path) (errs field.ErrorList) {
	for _, pair := range [][2]v1.ResourceQuotaScope{
		{v1.ResourceQuotaScopeBestEffort, v1.ResourceQuotaScopeNotBestEffort},
		{v1.ResourceQuotaScopeTerminating, v1.ResourceQuotaScopeNotTerminating},
	} {
		if slices.Contains(scopes, pair[0]) && slices.Contains(scopes, pair[1]) {
			errs = append(errs, field.Invalid(path, s.Scopes, "conflicting scopes"))
		}
	}
	return errs
}

func isQuotaScope(s v1.ResourceQuotaScope) bool {
	switch s {
	case v1.ResourceQuotaScopeTerminating, v1.ResourceQuotaScopeNotTerminating, v1.ResourceQuotaScopeBestEffort,
		v1.ResourceQuotaScopeNotBestEffort, v1.ResourceQuotaScopePriorityClass,
		v1.ResourceQuotaScopeVolumeAttributesClass, v1.ResourceQuotaScopeCrossNamespacePodAffinity:
		return true
	}
	return false
}

// unscopable are the standard resources of a quota that a scope says nothing of.
func unscopable(s *v1.ResourceQuotaSpec, scope v1.ResourceQuotaScope) (names []v1.ResourceName) {
	var scopable []v1.ResourceName
	switch scope {
	case v1.ResourceQuotaScopeBestEffort:
		scopable = []v1.ResourceName{v1.ResourcePods}
	case v1.ResourceQuotaScopeVolumeAttributesClass:
		scopable = []v1.ResourceName{v1.ResourcePersistentVolumeClaims, v1.ResourceRequestsStorage}
	case v1.ResourceQuotaScopeTerminating, v1.ResourceQuotaScopeNotTerminating, v1.ResourceQuotaScopeNotBestEffort,
		v1.ResourceQuotaScopePriorityClass, v1.ResourceQuotaScopeCrossNamespacePodAffinity:
		scopable = []v1.ResourceName{
			v1.ResourcePods, v1.ResourceCPU, v1.ResourceMemory, v1.ResourceLimitsCPU, v1.ResourceLimitsMemory,
			v1.ResourceRequestsCPU, v1.ResourceRequestsMemory,
		}
	default:
		return nil
	}
	for _, name := range sortedKeys(s.Hard) {
		if isQuotaResource(name) && !slices.Contains(scopable, name) {
			names = append(names, name)
		}
	}
	return names
}
