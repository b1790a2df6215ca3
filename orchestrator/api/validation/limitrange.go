package validation

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateLimitRangeCreate checks a new limit range.
func ValidateLimitRangeCreate(l *v1.LimitRange) field.ErrorList {
	errs := validateMeta(&l.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	seen := map[v1.LimitType]bool{}
	for i := range l.Spec.Limits {
		limit, path := &l.Spec.Limits[i], field.NewPath("spec", "limits").Index(i)
		errs = append(errs, validateLimitType(limit.Type, path.Child("type"))...)
		if seen[limit.Type] {
			errs = append(errs, field.Duplicate(path.Child("type"), limit.Type))
		}
		seen[limit.Type] = true
		errs = append(errs, validateLimit(limit, path)...)
	}
	return errs
}

// ValidateLimitRangeUpdate checks a changed limit range.
func ValidateLimitRangeUpdate(l, old *v1.LimitRange) field.ErrorList {
	errs := validateMetaUpdate(&l.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	return append(errs, ValidateLimitRangeCreate(l)...)
}

func validateLimitType(kind v1.LimitType, path *field.Path) field.ErrorList {
	switch kind {
	case v1.LimitTypePod, v1.LimitTypeContainer, v1.LimitTypePersistentVolumeClaim:
		return nil
	}
	if errs := invalid(path, kind, validation.IsQualifiedName(string(kind))); len(errs) > 0 {
		return errs
	}
	if !strings.Contains(string(kind), "/") {
		return field.ErrorList{field.Invalid(path, kind, "must be a standard limit type or fully qualified")}
	}
	return nil
}

func validateLimit(l *v1.LimitRangeItem, path *field.Path) (errs field.ErrorList) {
	lists := []struct {
		name string
		list v1.ResourceList
	}{
		{"max", l.Max}, {"min", l.Min}, {"default", l.Default},
		{"defaultRequest", l.DefaultRequest}, {"maxLimitRequestRatio", l.MaxLimitRequestRatio},
	}
	names := map[v1.ResourceName]bool{}
	for _, list := range lists {
		if l.Type == v1.LimitTypePod && (list.name == "default" || list.name == "defaultRequest") {
			if len(list.list) > 0 {
				errs = append(errs, field.Forbidden(path.Child(list.name), "may not be specified when `type` is 'Pod'"))
			}
			continue
		}
		for _, name := range sortedKeys(list.list) {
			errs = append(errs, validateLimitName(l.Type, name, path.Child(list.name).Key(string(name)))...)
			names[name] = true
		}
	}
	if l.Type == v1.LimitTypePersistentVolumeClaim && !has(l.Min, v1.ResourceStorage) && !has(l.Max, v1.ResourceStorage) {
		errs = append(errs, field.Required(path.Child("limits"), "either minimum or maximum storage value is required, but neither was provided"))
	}
	for _, name := range sortedKeys(names) {
		errs = append(errs, validateLimitValues(l, name, path)...)
	}
	return errs
}

func has(list v1.ResourceList, name v1.ResourceName) bool {
	_, ok := list[name]
	return ok
}

// validateLimitName lets only containers' resources limit pods and containers.
func validateLimitName(kind v1.LimitType, name v1.ResourceName, path *field.Path) field.ErrorList {
	if kind == v1.LimitTypePod || kind == v1.LimitTypeContainer {
		return validateContainerResourceName(name, path)
	}
	return validateResourceName(name, path)
}

// bound is one value of a limit, if it is there.
type bound struct {
	resource.Quantity
	set  bool
	path *field.Path
}

// above reports that a is more than b, with the value that Kubernetes names.
func above(a, b bound, at *field.Path, value resource.Quantity, message string) field.ErrorList {
	if !a.set || !b.set || a.Cmp(b.Quantity) <= 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(at, value, fmt.Sprintf(message, a.String(), b.String()))}
}

// validateLimitValues checks that the values of one resource are in order:
// minimum, default request, default limit, maximum.
func validateLimitValues(l *v1.LimitRangeItem, name v1.ResourceName, path *field.Path) (errs field.ErrorList) {
	get := func(list v1.ResourceList, child string) bound {
		q, ok := list[name]
		return bound{q, ok, path.Child(child).Key(string(name))}
	}
	low, high := get(l.Min, "min"), get(l.Max, "max")
	var limit, request bound
	if l.Type != v1.LimitTypePod {
		limit, request = get(l.Default, "default"), get(l.DefaultRequest, "defaultRequest")
	}
	errs = append(errs, above(low, high, low.path, low.Quantity, "min value %s is greater than max value %s")...)
	errs = append(errs, above(low, request, request.path, request.Quantity, "min value %s is greater than default request value %s")...)
	errs = append(errs, above(request, high, request.path, request.Quantity, "default request value %s is greater than max value %s")...)
	errs = append(errs, above(request, limit, request.path, request.Quantity, "default request value %s is greater than default limit value %s")...)
	errs = append(errs, above(low, limit, limit.path, low.Quantity, "min value %s is greater than default value %s")...)
	errs = append(errs, above(limit, high, limit.path, high.Quantity, "default value %s is greater than max value %s")...)
	errs = append(errs, validateRatio(get(l.MaxLimitRequestRatio, "maxLimitRequestRatio"), low, high)...)
	if !isOvercommitAllowed(name) && limit.set && request.set && limit.Cmp(request.Quantity) != 0 {
		errs = append(errs, field.Invalid(request.path, request.Quantity,
			fmt.Sprintf("default value %s must equal to defaultRequest value %s in %s", limit.String(), request.String(), name)))
	}
	return errs
}

// validateRatio checks a ratio of limit to request: at least one, and no more
// than the bounds leave room for.
func validateRatio(ratio, low, high bound) (errs field.ErrorList) {
	if !ratio.set {
		return nil
	}
	if ratio.Cmp(*resource.NewQuantity(1, resource.DecimalSI)) < 0 {
		errs = append(errs, field.Invalid(ratio.path, ratio.Quantity, fmt.Sprintf("ratio %s is less than 1", ratio.String())))
	}
	if !low.set || !high.set || low.IsZero() {
		return errs
	}
	if most := high.AsApproximateFloat64() / low.AsApproximateFloat64(); ratio.AsApproximateFloat64() > most {
		errs = append(errs, field.Invalid(ratio.path, ratio.Quantity,
			fmt.Sprintf("ratio %s is greater than max/min = %f", ratio.String(), most)))
	}
	return errs
}
