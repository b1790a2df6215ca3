package validation

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateControlledTemplate checks the template of pods that a controller
// keeps alive: its labels must be the ones selected, and its pods must not end.
func validateControlledTemplate(t *v1.PodTemplateSpec, selector labels.Selector, kind string, path *field.Path) (errs field.ErrorList) {
	if !selector.Empty() && !selector.Matches(labels.Set(t.Labels)) {
		errs = append(errs, field.Invalid(path.Child("metadata", "labels"), t.Labels, "`selector` does not match template `labels`"))
	}
	errs = append(errs, ValidatePodTemplateSpec(t, path)...)
	return append(errs, validateNeverEnds(t, kind, path)...)
}

func validateNeverEnds(t *v1.PodTemplateSpec, kind string, path *field.Path) (errs field.ErrorList) {
	if t.Spec.RestartPolicy != v1.RestartPolicyAlways {
		errs = append(errs, field.NotSupported(path.Child("spec", "restartPolicy"), t.Spec.RestartPolicy, []v1.RestartPolicy{v1.RestartPolicyAlways}))
	}
	if t.Spec.ActiveDeadlineSeconds != nil {
		errs = append(errs, field.Forbidden(path.Child("spec", "activeDeadlineSeconds"),
			fmt.Sprintf("activeDeadlineSeconds in %s is not Supported", kind)))
	}
	return errs
}

// validateSelectedTemplate checks a label selector, which must be there and
// select something, and the template against it.
func validateSelectedTemplate(s *metav1.LabelSelector, t *v1.PodTemplateSpec, spec *field.Path) (errs field.ErrorList) {
	path := spec.Child("selector")
	if s == nil {
		errs = append(errs, field.Required(path, ""))
	} else {
		errs = append(errs, metav1validation.ValidateLabelSelector(s, metav1validation.LabelSelectorValidationOptions{}, path)...)
		if len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
			errs = append(errs, field.Invalid(path, s, "empty selector is invalid for deployment"))
		}
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return append(errs, field.Invalid(path, s, "invalid label selector"))
	}
	return append(errs, validateControlledTemplate(t, selector, "ReplicaSet", spec.Child("template"))...)
}

// counts are the numbers in a status, by field.
type counts struct {
	replicas, ready, available int32
	// labeled or updated are parts of replicas too.
	part     int32
	partName string
	others   map[string]int64
}

// validateCounts checks that no number is negative and no part is more than
// the whole.
func validateCounts(c counts, path *field.Path) (errs field.ErrorList) {
	for _, n := range []struct {
		name  string
		value int32
	}{{"replicas", c.replicas}, {c.partName, c.part}, {"readyReplicas", c.ready}, {"availableReplicas", c.available}} {
		errs = append(errs, validateNonnegative(int64(n.value), path.Child(n.name))...)
	}
	for _, name := range sortedKeys(c.others) {
		errs = append(errs, validateNonnegative(c.others[name], path.Child(name))...)
	}
	const most = "cannot be greater than status.replicas"
	if c.part > c.replicas {
		errs = append(errs, field.Invalid(path.Child(c.partName), c.part, most))
	}
	if c.ready > c.replicas {
		errs = append(errs, field.Invalid(path.Child("readyReplicas"), c.ready, most))
	}
	if c.available > c.replicas {
		errs = append(errs, field.Invalid(path.Child("availableReplicas"), c.available, most))
	}
	if c.available > c.ready {
		errs = append(errs, field.Invalid(path.Child("availableReplicas"), c.available, "cannot be greater than readyReplicas"))
	}
	return errs
}

// validateCollisionCount checks that a count of name collisions only rises.
func validateCollisionCount(count, old *int32, path *field.Path) field.ErrorList {
	if old == nil || count != nil && *count >= *old {
		return nil
	}
	value := int32(0)
	if count != nil {
		value = *count
	}
	return field.ErrorList{field.Invalid(path.Child("collisionCount"), value, "cannot be decremented")}
}

// optional adds a number that may be missing to the others of a status.
func optional(others map[string]int64, name string, value *int32) {
	if value != nil {
		others[name] = int64(*value)
	}
}
