package validation

import (
	"strings"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

// The bounds of a class's parameters: bytes of all of them, and their number.
const (
	maxClassParametersSize = 256 << 10
	maxClassParameters     = 512
)

// ValidateStorageClassCreate checks a new storage class.
func ValidateStorageClassCreate(c *storagev1.StorageClass) field.ErrorList {
	errs := validateMeta(&c.ObjectMeta, false, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	if at := field.NewPath("provisioner"); c.Provisioner == "" {
		errs = append(errs, field.Required(at, ""))
	} else {
		errs = append(errs, validateQualifiedName(strings.ToLower(c.Provisioner), at)...)
	}
	errs = append(errs, validateClassParameters(c.Parameters, field.NewPath("parameters"))...)
	if policy := ptr.Deref(c.ReclaimPolicy, ""); policy != "" {
		errs = append(errs, oneOf(field.NewPath("reclaimPolicy"), policy, v1.PersistentVolumeReclaimDelete, v1.PersistentVolumeReclaimRetain)...)
	}
	if at := field.NewPath("volumeBindingMode"); c.VolumeBindingMode == nil {
		errs = append(errs, field.Required(at, ""))
	} else {
		errs = append(errs, oneOf(at, *c.VolumeBindingMode, storagev1.VolumeBindingImmediate, storagev1.VolumeBindingWaitForFirstConsumer)...)
	}
	return append(errs, validateAllowedTopologies(c.AllowedTopologies, field.NewPath("allowedTopologies"))...)
}

// ValidateStorageClassUpdate checks a changed storage class: what volumes were
// made by stays.
func ValidateStorageClassUpdate(c, old *storagev1.StorageClass) field.ErrorList {
	errs := validateMetaUpdate(&c.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	if !apiequality.Semantic.DeepEqual(c.Parameters, old.Parameters) {
		errs = append(errs, field.Forbidden(field.NewPath("parameters"), "updates to parameters are forbidden."))
	}
	if c.Provisioner != old.Provisioner {
		errs = append(errs, field.Forbidden(field.NewPath("provisioner"), "updates to provisioner are forbidden."))
	}
	if ptr.Deref(c.ReclaimPolicy, "") != ptr.Deref(old.ReclaimPolicy, "") {
		errs = append(errs, field.Forbidden(field.NewPath("reclaimPolicy"), "updates to reclaimPolicy are forbidden."))
	}
	return append(errs, validateImmutable(c.VolumeBindingMode, old.VolumeBindingMode, field.NewPath("volumeBindingMode"))...)
}

func validateClassParameters(parameters map[string]string, at *field.Path) (errs field.ErrorList) {
	if len(parameters) > maxClassParameters {
		return field.ErrorList{field.TooLong(at, "", maxClassParameters)}
	}
	size := 0
	for _, key := range sortedKeys(parameters) {
		if key == "" {
			errs = append(errs, field.Invalid(at, key, "field can not be empty."))
		}
		size += len(key) + len(parameters[key])
	}
	if size > maxClassParametersSize {
		errs = append(errs, field.TooLong(at, "", maxClassParametersSize))
	}
	return errs
}

func validateAllowedTopologies(terms []v1.TopologySelectorTerm, at *field.Path) (errs field.ErrorList) {
	var seen []map[string]sets.Set[string]
	for i, term := range terms {
		values := map[string]sets.Set[string]{}
		expressions := at.Index(i).Child("matchLabelExpressions")
		for j, e := range term.MatchLabelExpressions {
			errs = append(errs, validateTopologyExpression(&e, values, expressions.Index(j))...)
		}
		for _, other := range seen {
			if apiequality.Semantic.DeepEqual(values, other) {
				errs = append(errs, field.Duplicate(expressions, ""))
			}
		}
		seen = append(seen, values)
	}
	return errs
}

// validateTopologyExpression adds the expression's values to those of its term.
func validateTopologyExpression(e *v1.TopologySelectorLabelRequirement, values map[string]sets.Set[string], at *field.Path) (errs field.ErrorList) {
	if len(e.Values) == 0 {
		errs = append(errs, field.Required(at.Child("values"), ""))
	}
	set := sets.New[string]()
	for i, value := range e.Values {
		if set.Has(value) {
			errs = append(errs, field.Duplicate(at.Child("values").Index(i), value))
		}
		set.Insert(value)
	}
	errs = append(errs, metavalidation.ValidateLabelName(e.Key, at.Child("key"))...)
	if _, has := values[e.Key]; has {
		errs = append(errs, field.Duplicate(at.Child("key"), e.Key))
	}
	values[e.Key] = set
	return errs
}
