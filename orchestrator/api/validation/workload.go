package validation

import (
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

// ValidateReplicaSetCreate checks a new replica set.
func ValidateReplicaSetCreate(rs *appsv1.ReplicaSet) field.ErrorList {
	errs := validateMeta(&rs.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	return append(errs, validateReplicaSetSpec(&rs.Spec, field.NewPath("spec"))...)
}

// ValidateReplicaSetUpdate checks a changed replica set; its selector stays.
func ValidateReplicaSetUpdate(rs, old *appsv1.ReplicaSet) field.ErrorList {
	errs := validateMetaUpdate(&rs.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	errs = append(errs, validateReplicaSetSpec(&rs.Spec, field.NewPath("spec"))...)
	return append(errs, validateImmutable(rs.Spec.Selector, old.Spec.Selector, field.NewPath("spec", "selector"))...)
}

// ValidateReplicaSetStatusUpdate checks a changed status of a replica set.
func ValidateReplicaSetStatusUpdate(rs, old *appsv1.ReplicaSet) field.ErrorList {
	errs := validateMetaUpdate(&rs.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	s := &rs.Status
	others := map[string]int64{"observedGeneration": s.ObservedGeneration}
	optional(others, "terminatingReplicas", s.TerminatingReplicas)
	return append(errs, validateCounts(counts{
		replicas: s.Replicas, ready: s.ReadyReplicas, available: s.AvailableReplicas,
		part: s.FullyLabeledReplicas, partName: "fullyLabeledReplicas", others: others,
	}, field.NewPath("status"))...)
}

func validateReplicaSetSpec(s *appsv1.ReplicaSetSpec, path *field.Path) field.ErrorList {
	errs := validateNonnegative(int64(ptr.Deref(s.Replicas, 0)), path.Child("replicas"))
	errs = append(errs, validateNonnegative(int64(s.MinReadySeconds), path.Child("minReadySeconds"))...)
	return append(errs, validateSelectedTemplate(s.Selector, &s.Template, path)...)
}

// ValidateDeploymentCreate checks a new deployment.
func ValidateDeploymentCreate(d *appsv1.Deployment) field.ErrorList {
	errs := validateMeta(&d.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	return append(errs, validateDeploymentSpec(&d.Spec, field.NewPath("spec"))...)
}

// ValidateDeploymentUpdate checks a changed deployment; its selector stays.
func ValidateDeploymentUpdate(d, old *appsv1.Deployment) field.ErrorList {
	errs := validateMetaUpdate(&d.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	errs = append(errs, validateDeploymentSpec(&d.Spec, field.NewPath("spec"))...)
	return append(errs, validateImmutable(d.Spec.Selector, old.Spec.Selector, field.NewPath("spec", "selector"))...)
}

// ValidateDeploymentStatusUpdate checks a changed status of a deployment.
func ValidateDeploymentStatusUpdate(d, old *appsv1.Deployment) field.ErrorList {
	errs := validateMetaUpdate(&d.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	s := &d.Status
	others := map[string]int64{"observedGeneration": s.ObservedGeneration, "unavailableReplicas": int64(s.UnavailableReplicas)}
	optional(others, "terminatingReplicas", s.TerminatingReplicas)
	optional(others, "collisionCount", s.CollisionCount)
	errs = append(errs, validateCounts(counts{
		replicas: s.Replicas, ready: s.ReadyReplicas, available: s.AvailableReplicas,
		part: s.UpdatedReplicas, partName: "updatedReplicas", others: others,
	}, field.NewPath("status"))...)
	return append(errs, validateCollisionCount(s.CollisionCount, old.Status.CollisionCount, field.NewPath("status"))...)
}

func validateDeploymentSpec(s *appsv1.DeploymentSpec, path *field.Path) field.ErrorList {
	errs := validateNonnegative(int64(ptr.Deref(s.Replicas, 0)), path.Child("replicas"))
	errs = append(errs, validateSelectedTemplate(s.Selector, &s.Template, path)...)
	errs = append(errs, validateDeploymentStrategy(&s.Strategy, path.Child("strategy"))...)
	errs = append(errs, validateNonnegative(int64(s.MinReadySeconds), path.Child("minReadySeconds"))...)
	errs = append(errs, validateNonnegative(int64(ptr.Deref(s.RevisionHistoryLimit, 0)), path.Child("revisionHistoryLimit"))...)
	if deadline := s.ProgressDeadlineSeconds; deadline != nil {
		at := path.Child("progressDeadlineSeconds")
		errs = append(errs, validateNonnegative(int64(*deadline), at)...)
		if *deadline <= s.MinReadySeconds {
			errs = append(errs, field.Invalid(at, deadline, "must be greater than minReadySeconds"))
		}
	}
	return errs
}

func validateDeploymentStrategy(s *appsv1.DeploymentStrategy, path *field.Path) field.ErrorList {
	rolling := path.Child("rollingUpdate")
	switch s.Type {
	case appsv1.RecreateDeploymentStrategyType:
		if s.RollingUpdate != nil {
			return field.ErrorList{field.Forbidden(rolling, "may not be specified when strategy `type` is 'Recreate'")}
		}
	case appsv1.RollingUpdateDeploymentStrategyType:
		if s.RollingUpdate == nil {
			return field.ErrorList{field.Required(rolling, "this should be defaulted and never be nil")}
		}
		return validateRollingDeployment(s.RollingUpdate, rolling)
	default:
		return field.ErrorList{field.NotSupported(path, s, []appsv1.DeploymentStrategyType{
			appsv1.RecreateDeploymentStrategyType, appsv1.RollingUpdateDeploymentStrategyType,
		})}
	}
	return nil
}

func validateRollingDeployment(u *appsv1.RollingUpdateDeployment, path *field.Path) (errs field.ErrorList) {
	unavailable := ptr.Deref(u.MaxUnavailable, intstr.IntOrString{})
	errs = append(errs, validateIntOrPercent(unavailable, path.Child("maxUnavailable"))...)
	errs = append(errs, validateIntOrPercent(ptr.Deref(u.MaxSurge, intstr.IntOrString{}), path.Child("maxSurge"))...)
	if isZero(u.MaxUnavailable) && isZero(u.MaxSurge) {
		errs = append(errs, field.Invalid(path.Child("maxUnavailable"), unavailable, "may not be 0 when `maxSurge` is 0"))
	}
	return append(errs, validateAtMost100Percent(unavailable, path.Child("maxUnavailable"))...)
}

// ValidateControllerRevisionCreate checks a new revision.
func ValidateControllerRevisionCreate(r *appsv1.ControllerRevision) field.ErrorList {
	errs, path := validateControllerRevision(r), field.NewPath("data")
	raw := r.Data.Raw
	if raw == nil && r.Data.Object != nil {
		raw, _ = json.Marshal(r.Data.Object)
	}
	var content any
	if raw == nil {
		return append(errs, field.Required(path, "data is mandatory"))
	}
	if err := json.Unmarshal(raw, &content); err != nil {
		return append(errs, field.Invalid(path, "<value omitted>", fmt.Sprintf("error parsing data: %v", err)))
	}
	if content == nil {
		return append(errs, field.Required(path, "data is mandatory"))
	}
	if _, ok := content.(map[string]any); !ok {
		errs = append(errs, field.Required(path, "data must be a valid JSON object"))
	}
	return errs
}

// ValidateControllerRevisionUpdate checks a changed revision; its data stay.
func ValidateControllerRevisionUpdate(r, old *appsv1.ControllerRevision) field.ErrorList {
	errs := validateMetaUpdate(&r.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	errs = append(errs, validateControllerRevision(r)...)
	return append(errs, validateImmutable(r.Data, old.Data, field.NewPath("data"))...)
}

func validateControllerRevision(r *appsv1.ControllerRevision) field.ErrorList {
	errs := validateMeta(&r.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	return append(errs, validateNonnegative(r.Revision, field.NewPath("revision"))...)
}
