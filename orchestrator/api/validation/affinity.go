package validation

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The two fields that each kind of affinity has.
const (
	requiredTerms  = "requiredDuringSchedulingIgnoredDuringExecution"
	preferredTerms = "preferredDuringSchedulingIgnoredDuringExecution"
)

func validateAffinity(affinity *v1.Affinity, path *field.Path) (errs field.ErrorList) {
	if affinity == nil {
		return nil
	}
	if a := affinity.NodeAffinity; a != nil {
		at := path.Child("nodeAffinity")
		if a.RequiredDuringSchedulingIgnoredDuringExecution != nil {
			errs = append(errs, validateNodeSelector(a.RequiredDuringSchedulingIgnoredDuringExecution, at.Child(requiredTerms))...)
		}
		errs = append(errs, validatePreferredNodes(a.PreferredDuringSchedulingIgnoredDuringExecution, at.Child(preferredTerms))...)
	}
	if a := affinity.PodAffinity; a != nil {
		errs = append(errs, validatePodTerms(a.RequiredDuringSchedulingIgnoredDuringExecution, a.PreferredDuringSchedulingIgnoredDuringExecution, path.Child("podAffinity"))...)
	}
	if a := affinity.PodAntiAffinity; a != nil {
		errs = append(errs, validatePodTerms(a.RequiredDuringSchedulingIgnoredDuringExecution, a.PreferredDuringSchedulingIgnoredDuringExecution, path.Child("podAntiAffinity"))...)
	}
	return errs
}

// validateNodeSelector checks alternatives that nodes must match.
func validateNodeSelector(selector *v1.NodeSelector, path *field.Path) (errs field.ErrorList) {
	path = path.Child("nodeSelectorTerms")
	if len(selector.NodeSelectorTerms) == 0 {
		return field.ErrorList{field.Required(path, "must have at least one node selector term")}
	}
	for i := range selector.NodeSelectorTerms {
		errs = append(errs, validateNodeTerm(&selector.NodeSelectorTerms[i], true, path.Index(i))...)
	}
	return errs
}

// validatePreferredNodes checks preferences, whose values may be ones that no
// label can have.
func validatePreferredNodes(terms []v1.PreferredSchedulingTerm, path *field.Path) (errs field.ErrorList) {
	for i := range terms {
		errs = append(errs, validateWeight(terms[i].Weight, path.Index(i))...)
		errs = append(errs, validateNodeTerm(&terms[i].Preference, false, path.Index(i).Child("preference"))...)
	}
	return errs
}

func validateWeight(weight int32, path *field.Path) field.ErrorList {
	if weight >= 1 && weight <= 100 {
		return nil
	}
	return field.ErrorList{field.Invalid(path.Child("weight"), weight, "must be in the range 1-100")}
}

func validateNodeTerm(term *v1.NodeSelectorTerm, values bool, path *field.Path) (errs field.ErrorList) {
	for i := range term.MatchExpressions {
		errs = append(errs, validateNodeRequirement(&term.MatchExpressions[i], values, path.Child("matchExpressions").Index(i))...)
	}
	for i := range term.MatchFields {
		errs = append(errs, validateNodeFieldRequirement(&term.MatchFields[i], path.Child("matchFields").Index(i))...)
	}
	return errs
}

// validateNodeRequirement checks a requirement of a label, with values also that
// a label can have its values.
func validateNodeRequirement(r *v1.NodeSelectorRequirement, values bool, path *field.Path) (errs field.ErrorList) {
	at := path.Child("values")
	switch r.Operator {
	case v1.NodeSelectorOpIn, v1.NodeSelectorOpNotIn:
		if len(r.Values) == 0 {
			errs = append(errs, field.Required(at, "must be specified when `operator` is 'In' or 'NotIn'"))
		}
	case v1.NodeSelectorOpExists, v1.NodeSelectorOpDoesNotExist:
		if len(r.Values) > 0 {
			errs = append(errs, field.Forbidden(at, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
		}
	case v1.NodeSelectorOpGt, v1.NodeSelectorOpLt:
		if len(r.Values) != 1 {
			errs = append(errs, field.Required(at, "must be specified single value when `operator` is 'Lt' or 'Gt'"))
		}
	default:
		errs = append(errs, field.Invalid(path.Child("operator"), r.Operator, "not a valid selector operator"))
	}
	errs = append(errs, metavalidation.ValidateLabelName(r.Key, path.Child("key"))...)
	if !values {
		return errs
	}
	for i, value := range r.Values {
		errs = append(errs, invalid(at.Index(i), value, validation.IsValidLabelValue(value))...)
	}
	return errs
}

// validateNodeFieldRequirement checks a requirement of a field: only the name
// of a node can be one.
func validateNodeFieldRequirement(r *v1.NodeSelectorRequirement, path *field.Path) (errs field.ErrorList) {
	if r.Operator != v1.NodeSelectorOpIn && r.Operator != v1.NodeSelectorOpNotIn {
		errs = append(errs, field.Invalid(path.Child("operator"), r.Operator, "not a valid selector operator"))
	} else if len(r.Values) != 1 {
		errs = append(errs, field.Required(path.Child("values"), "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"))
	}
	if r.Key != metav1.ObjectNameField {
		return append(errs, field.Invalid(path.Child("key"), r.Key, "not a valid field selector key"))
	}
	for i, value := range r.Values {
		errs = append(errs, validateName(value, apivalidation.NameIsDNSSubdomain, path.Child("values").Index(i))...)
	}
	return errs
}

// validatePodTerms checks the affinity to pods, or away from them.
func validatePodTerms(must []v1.PodAffinityTerm, prefer []v1.WeightedPodAffinityTerm, path *field.Path) (errs field.ErrorList) {
	for i := range must {
		errs = append(errs, validatePodTerm(&must[i], path.Child(requiredTerms).Index(i))...)
	}
	for i := range prefer {
		at := path.Child(preferredTerms).Index(i)
		errs = append(errs, validateWeight(prefer[i].Weight, at)...)
		errs = append(errs, validatePodTerm(&prefer[i].PodAffinityTerm, at.Child("podAffinityTerm"))...)
	}
	return errs
}

func validatePodTerm(term *v1.PodAffinityTerm, path *field.Path) field.ErrorList {
	errs := slices.Concat(
		validateLabelSelector(term.LabelSelector, path.Child("labelSelector")),
		validateLabelSelector(term.NamespaceSelector, path.Child("namespaceSelector")))
	for _, name := range term.Namespaces {
		errs = append(errs, validateName(name, apivalidation.ValidateNamespaceName, path.Child("namespace"))...)
	}
	errs = append(errs, validateMatchKeys(term.MatchLabelKeys, term.MismatchLabelKeys, term.LabelSelector, path)...)
	if term.TopologyKey == "" {
		errs = append(errs, field.Required(path.Child("topologyKey"), "can not be empty"))
	}
	return append(errs, metavalidation.ValidateLabelName(term.TopologyKey, path.Child("topologyKey"))...)
}

// validateLabelSelector checks a selector, which may be nil.
func validateLabelSelector(selector *metav1.LabelSelector, path *field.Path) field.ErrorList {
	return metavalidation.ValidateLabelSelector(selector, metavalidation.LabelSelectorValidationOptions{}, path)
}

// validateMatchKeys checks keys of labels whose values a term takes from the
// new pod: to match, or not to match.
func validateMatchKeys(match, mismatch []string, selector *metav1.LabelSelector, path *field.Path) field.ErrorList {
	errs := slices.Concat(
		validateLabelKeys(match, selector, path.Child("matchLabelKeys")),
		validateLabelKeys(mismatch, selector, path.Child("mismatchLabelKeys")))
	if selector != nil {
		errs = append(errs, validateKeysOnce(match, selector, path)...)
	}
	for i, key := range match {
		if slices.Contains(mismatch, key) {
			errs = append(errs, field.Invalid(path.Child("matchLabelKeys").Index(i), key, "exists in both matchLabelKeys and mismatchLabelKeys"))
		}
	}
	return errs
}

// validateKeysOnce checks that the selector does not name a key itself. The
// requirement that was made from a key is in it already, as the last.
func validateKeysOnce(match []string, selector *metav1.LabelSelector, path *field.Path) (errs field.ErrorList) {
	seen := map[string]bool{}
	for key := range selector.MatchLabels {
		seen[key] = true
	}
	for _, expression := range selector.MatchExpressions {
		if i := lastIndex(match, expression.Key); i >= 0 && seen[expression.Key] {
			errs = append(errs, field.Invalid(path.Index(i), expression.Key, "exists in both matchLabelKeys and labelSelector"))
		}
		seen[expression.Key] = true
	}
	return errs
}

func lastIndex(keys []string, key string) int {
	for i, other := range slices.Backward(keys) {
		if other == key {
			return i
		}
	}
	return -1
}

func validateLabelKeys(keys []string, selector *metav1.LabelSelector, path *field.Path) (errs field.ErrorList) {
	if len(keys) > 0 && selector == nil {
		return field.ErrorList{field.Forbidden(path, "must not be specified when labelSelector is not set")}
	}
	for i, key := range keys {
		errs = append(errs, metavalidation.ValidateLabelName(key, path.Index(i))...)
	}
	return errs
}
