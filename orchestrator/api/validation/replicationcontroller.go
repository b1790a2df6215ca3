package validation

import (
	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateReplicationControllerCreate checks a new replication controller.
func ValidateReplicationControllerCreate(rc *v1.ReplicationController) field.ErrorList {
	errs := validateMeta(&rc.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	return append(errs, validateReplicationControllerSpec(&rc.Spec, field.NewPath("spec"))...)
}

// ValidateReplicationControllerUpdate checks a changed replication controller;
// its selector may change.
func ValidateReplicationControllerUpdate(rc, old *v1.ReplicationController) field.ErrorList {
	errs := validateMetaUpdate(&rc.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	return append(errs, validateReplicationControllerSpec(&rc.Spec, field.NewPath("spec"))...)
}

// ValidateReplicationControllerStatusUpdate checks a changed status.
func ValidateReplicationControllerStatusUpdate(rc, old *v1.ReplicationController) field.ErrorList {
	errs := validateMetaUpdate(&rc.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	s := &rc.Status
	return append(errs, validateCounts(counts{
		replicas: s.Replicas, ready: s.ReadyReplicas, available: s.AvailableReplicas,
		part: s.FullyLabeledReplicas, partName: "fullyLabeledReplicas",
		others: map[string]int64{"observedGeneration": s.ObservedGeneration},
	}, field.NewPath("status"))...)
}

func validateReplicationControllerSpec(s *v1.ReplicationControllerSpec, path *field.Path) field.ErrorList {
	errs := validateNonnegative(int64(s.MinReadySeconds), path.Child("minReadySeconds"))
	selector := labels.SelectorFromSet(s.Selector)
	if selector.Empty() {
		errs = append(errs, field.Required(path.Child("selector"), ""))
	}
	if s.Replicas == nil {
		errs = append(errs, field.Required(path.Child("replicas"), ""))
	} else {
		errs = append(errs, validateNonnegative(int64(*s.Replicas), path.Child("replicas"))...)
	}
	if s.Template == nil {
		return append(errs, field.Required(path.Child("template"), ""))
	}
	return append(errs, validateControlledTemplate(s.Template, selector, "ReplicationController", path.Child("template"))...)
}
