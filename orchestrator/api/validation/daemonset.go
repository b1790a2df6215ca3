package validation

import (
	appsv1 "k8s.io/api/apps/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

// ValidateDaemonSetCreate checks a new daemon set.
func ValidateDaemonSetCreate(d *appsv1.DaemonSet) field.ErrorList {
	errs := validateMeta(&d.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	return append(errs, validateDaemonSetSpec(&d.Spec, field.NewPath("spec"))...)
}

// ValidateDaemonSetUpdate checks a changed daemon set; its selector stays.
func ValidateDaemonSetUpdate(d, old *appsv1.DaemonSet) field.ErrorList {
	errs := validateMetaUpdate(&d.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	errs = append(errs, validateImmutable(d.Spec.Selector, old.Spec.Selector, field.NewPath("spec", "selector"))...)
	return append(errs, validateDaemonSetSpec(&d.Spec, field.NewPath("spec"))...)
}

// ValidateDaemonSetStatusUpdate checks a changed status of a daemon set.
func ValidateDaemonSetStatusUpdate(d, old *appsv1.DaemonSet) field.ErrorList {
	errs := validateMetaUpdate(&d.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	s, path := &d.Status, field.NewPath("status")
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"currentNumberScheduled", int64(s.CurrentNumberScheduled)},
		{"numberMisscheduled", int64(s.NumberMisscheduled)},
		{"desiredNumberScheduled", int64(s.DesiredNumberScheduled)},
		{"numberReady", int64(s.NumberReady)},
		{"observedGeneration", s.ObservedGeneration},
		{"updatedNumberScheduled", int64(s.UpdatedNumberScheduled)},
		{"numberAvailable", int64(s.NumberAvailable)},
		{"numberUnavailable", int64(s.NumberUnavailable)},
		{"collisionCount", int64(ptr.Deref(s.CollisionCount, 0))},
	} {
		errs = append(errs, validateNonnegative(n.value, path.Child(n.name))...)
	}
	return append(errs, validateCollisionCount(s.CollisionCount, old.Status.CollisionCount, path)...)
}

func validateDaemonSetSpec(s *appsv1.DaemonSetSpec, path *field.Path) field.ErrorList {
	errs := metav1validation.ValidateLabelSelector(s.Selector, metav1validation.LabelSelectorValidationOptions{}, path.Child("selector"))
	selector, err := metav1.LabelSelectorAsSelector(s.Selector)
	if err == nil && !selector.Matches(labels.Set(s.Template.Labels)) {
		errs = append(errs, field.Invalid(path.Child("template", "metadata", "labels"), s.Template.Labels, "`selector` does not match template `labels`"))
	}
	if s.Selector != nil && len(s.Selector.MatchLabels)+len(s.Selector.MatchExpressions) == 0 {
		errs = append(errs, field.Invalid(path.Child("selector"), s.Selector, "empty selector is invalid for daemonset"))
	}
	errs = append(errs, ValidatePodTemplateSpec(&s.Template, path.Child("template"))...)
	errs = append(errs, validateNeverEnds(&s.Template, "DaemonSet", path.Child("template"))...)
	errs = append(errs, validateNonnegative(int64(s.MinReadySeconds), path.Child("minReadySeconds"))...)
	errs = append(errs, validateDaemonSetStrategy(&s.UpdateStrategy, path.Child("updateStrategy"))...)
	return append(errs, validateNonnegative(int64(ptr.Deref(s.RevisionHistoryLimit, 0)), path.Child("revisionHistoryLimit"))...)
}

func validateDaemonSetStrategy(s *appsv1.DaemonSetUpdateStrategy, path *field.Path) field.ErrorList {
	switch s.Type {
	case appsv1.OnDeleteDaemonSetStrategyType:
		return nil
	case appsv1.RollingUpdateDaemonSetStrategyType:
		if s.RollingUpdate == nil {
			return field.ErrorList{field.Required(path.Child("rollingUpdate"), "")}
		}
		return validateRollingDaemonSet(s.RollingUpdate, path.Child("rollingUpdate"))
	}
	return field.ErrorList{field.NotSupported(path, s, []appsv1.DaemonSetUpdateStrategyType{
		appsv1.RollingUpdateDaemonSetStrategyType, appsv1.OnDeleteDaemonSetStrategyType,
	})}
}

// validateRollingDaemonSet checks that pods are replaced either after the old
// one is gone or beside it.
func validateRollingDaemonSet(u *appsv1.RollingUpdateDaemonSet, path *field.Path) (errs field.ErrorList) {
	unavailable, surge := ptr.Deref(u.MaxUnavailable, intstr.IntOrString{}), ptr.Deref(u.MaxSurge, intstr.IntOrString{})
	errs = append(errs, validateIntOrPercent(unavailable, path.Child("maxUnavailable"))...)
	errs = append(errs, validateIntOrPercent(surge, path.Child("maxSurge"))...)
	errs = append(errs, validateAtMost100Percent(unavailable, path.Child("maxUnavailable"))...)
	errs = append(errs, validateAtMost100Percent(surge, path.Child("maxSurge"))...)
	switch none, noSurge := isZero(u.MaxUnavailable), isZero(u.MaxSurge); {
	case !none && !noSurge:
		errs = append(errs, field.Invalid(path.Child("maxSurge"), surge, "may not be set when maxUnavailable is non-zero"))
	case none && noSurge:
		errs = append(errs, field.Required(path.Child("maxUnavailable"), "cannot be 0 when maxSurge is 0"))
	}
	return errs
}
