package validation

import (
	"fmt"
	"math"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/diff"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidatePodUpdate checks a change of a pod's metadata and spec. Of the latter
// only images, the deadline, added tolerations and removed scheduling gates may
// change, and the node selection of a pod that has gates.
func ValidatePodUpdate(pod, old *v1.Pod) field.ErrorList {
	meta, spec := field.NewPath("metadata"), field.NewPath("spec")
	errs := slices.Concat(
		validateMetaUpdate(&pod.ObjectMeta, &old.ObjectMeta, meta),
		validatePod(pod),
		validateAnnotationsUpdate(pod, old, meta.Child("annotations")))
	for _, list := range []struct {
		name     string
		new, old []v1.Container
	}{{"containers", pod.Spec.Containers, old.Spec.Containers}, {"initContainers", pod.Spec.InitContainers, old.Spec.InitContainers}} {
		if len(list.new) != len(list.old) {
			return append(errs, field.Forbidden(spec.Child(list.name), "pod updates may not add or remove containers"))
		}
		errs = append(errs, validateNewImages(list.new, spec.Child(list.name))...)
	}
	deadline, stop := validateDeadlineUpdate(pod.Spec.ActiveDeadlineSeconds, old.Spec.ActiveDeadlineSeconds, spec.Child("activeDeadlineSeconds"))
	if errs = append(errs, deadline...); stop {
		return errs
	}
	return slices.Concat(errs,
		validateAddedTolerations(pod.Spec.Tolerations, old.Spec.Tolerations, spec.Child("tolerations")),
		validateRemovedGates(pod.Spec.SchedulingGates, old.Spec.SchedulingGates, spec.Child("schedulingGates")),
		validateSpecUnchanged(&pod.Spec, &old.Spec, spec))
}

func validateNewImages(containers []v1.Container, path *field.Path) (errs field.ErrorList) {
	for i := range containers {
		errs = append(errs, required(path.Index(i).Child("image"), containers[i].Image, "")...)
		errs = append(errs, validateImageTrimmed(containers[i].Image, path.Index(i))...)
	}
	return errs
}

// validateDeadlineUpdate checks that a deadline is set or shortened; stop tells
// that the rest of the spec need not be looked at.
func validateDeadlineUpdate(new, old *int64, path *field.Path) (errs field.ErrorList, stop bool) {
	switch {
	case new == nil && old == nil:
		return nil, false
	case new == nil:
		return field.ErrorList{field.Invalid(path, new, "must not update from a positive integer to nil value")}, false
	case *new < 0 || *new > math.MaxInt32:
		return field.ErrorList{field.Invalid(path, *new, validation.InclusiveRangeError(0, math.MaxInt32))}, true
	case old != nil && *old < *new:
		return field.ErrorList{field.Invalid(path, *new, "must be less than or equal to previous value")}, true
	}
	return nil, false
}

// validateAddedTolerations checks that every old toleration is there still, for
// another time at most.
func validateAddedTolerations(new, old []v1.Toleration, path *field.Path) field.ErrorList {
	for _, before := range old {
		kept := func(after v1.Toleration) bool {
			after.TolerationSeconds = before.TolerationSeconds
			return after == before
		}
		if !slices.ContainsFunc(new, kept) {
			return field.ErrorList{field.Forbidden(path, "existing toleration can not be modified except its tolerationSeconds")}
		}
	}
	return validateTolerations(new, path)
}

func validateRemovedGates(new, old []v1.PodSchedulingGate, path *field.Path) (errs field.ErrorList) {
	for i, gate := range new {
		if !slices.Contains(old, gate) {
			errs = append(errs, field.Forbidden(path.Index(i).Child("name"), fmt.Sprintf("only deletion is allowed, but found new scheduling gate '%s'", gate.Name)))
		}
	}
	return errs
}

// updatableFields are those of a pod's spec that may change, for the error.
var updatableFields = strings.Join([]string{
	"`spec.containers[*].image`",
	"`spec.initContainers[*].image`",
	"`spec.activeDeadlineSeconds`",
	"`spec.tolerations` (only additions to existing tolerations)",
	"`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
}, ",")

// validateSpecUnchanged checks that a spec with what may change put back is the
// old one.
func validateSpecUnchanged(new, old *v1.PodSpec, path *field.Path) (errs field.ErrorList) {
	if equality.Semantic.DeepEqual(new, old) {
		return nil
	}
	rest := new.DeepCopy()
	for i := range rest.Containers {
		rest.Containers[i].Image = old.Containers[i].Image
	}
	for i := range rest.InitContainers {
		rest.InitContainers[i].Image = old.InitContainers[i].Image
	}
	rest.ActiveDeadlineSeconds = old.ActiveDeadlineSeconds
	rest.SchedulingGates, rest.Tolerations = old.SchedulingGates, old.Tolerations
	grace := rest.TerminationGracePeriodSeconds
	if before := old.TerminationGracePeriodSeconds; before != nil && *before < 0 && grace != nil && *grace == 1 {
		rest.TerminationGracePeriodSeconds = before
	}
	if len(old.SchedulingGates) > 0 {
		errs = validateGatedUpdate(rest, old, path)
	}
	if equality.Semantic.DeepEqual(rest, old) {
		return errs
	}
	detail := fmt.Sprintf("pod updates may not change fields other than %s\n%v", updatableFields, diff.Diff(old, rest))
	return append(errs, field.Forbidden(path, detail))
}

// validateGatedUpdate checks that the nodes of a pod which waits at a gate are
// only narrowed down, and puts that back in rest.
func validateGatedUpdate(rest, old *v1.PodSpec, path *field.Path) (errs field.ErrorList) {
	for key, value := range old.NodeSelector {
		if now, ok := rest.NodeSelector[key]; !ok || now != value {
			errs = append(errs, field.Invalid(path.Child("nodeSelector"), rest.NodeSelector, "only additions to spec.nodeSelector are allowed (no mutations or deletions)"))
			break
		}
	}
	rest.NodeSelector = old.NodeSelector
	before, after := nodeAffinity(old), nodeAffinity(rest)
	if equality.Semantic.DeepEqual(before, after) {
		return errs
	}
	errs = append(errs, validateNarrowed(after, before, path.Child("affinity", "nodeAffinity", requiredTerms, "nodeSelectorTerms"))...)
	switch a := rest.Affinity; {
	case a == nil:
		rest.Affinity = &v1.Affinity{NodeAffinity: before}
	case old.Affinity == nil && a.PodAffinity == nil && a.PodAntiAffinity == nil:
		rest.Affinity = nil
	default:
		a.NodeAffinity = before
	}
	return errs
}

func nodeAffinity(spec *v1.PodSpec) *v1.NodeAffinity {
	if spec.Affinity == nil {
		return nil
	}
	return spec.Affinity.NodeAffinity
}

// validateNarrowed checks that the alternatives which nodes must match are as
// many as before, each with the same requirements and perhaps more.
func validateNarrowed(new, old *v1.NodeAffinity, path *field.Path) (errs field.ErrorList) {
	before, after := nodeTerms(old), nodeTerms(new)
	if len(before) > 0 && len(before) != len(after) {
		return field.ErrorList{field.Invalid(path, after, "no additions/deletions to non-empty NodeSelectorTerms list are allowed")}
	}
	for i := range before {
		if !isNarrowed(&after[i], &before[i]) {
			errs = append(errs, field.Invalid(path.Index(i), after[i], "only additions are allowed (no mutations or deletions)"))
		}
	}
	return errs
}

func nodeTerms(affinity *v1.NodeAffinity) []v1.NodeSelectorTerm {
	if affinity == nil || affinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return nil
	}
	return affinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
}

// isNarrowed tells whether a term begins with what it was. An empty one matches
// nothing, so that nothing may be added to it.
func isNarrowed(new, old *v1.NodeSelectorTerm) bool {
	if len(old.MatchExpressions)+len(old.MatchFields) == 0 {
		return len(new.MatchExpressions)+len(new.MatchFields) == 0
	}
	return beginsWith(new.MatchExpressions, old.MatchExpressions) && beginsWith(new.MatchFields, old.MatchFields)
}

func beginsWith(new, old []v1.NodeSelectorRequirement) bool {
	return len(new) >= len(old) && (len(old) == 0 || equality.Semantic.DeepEqual(new[:len(old)], old))
}

// ValidatePodEphemeralContainersUpdate checks a change of the containers for
// debugging, which may only be added. The pods differ in nothing else.
func ValidatePodEphemeralContainersUpdate(pod, old *v1.Pod) field.ErrorList {
	if hasAnnotation(old.Annotations, mirrorAnnotation) {
		return field.ErrorList{field.Forbidden(field.NewPath(""), "static pods do not support ephemeral containers")}
	}
	meta, path := field.NewPath("metadata"), field.NewPath("spec", "ephemeralContainers")
	errs := slices.Concat(
		validateMetaUpdate(&pod.ObjectMeta, &old.ObjectMeta, meta),
		validatePod(pod),
		validateAnnotationsUpdate(pod, old, meta.Child("annotations")))
	after := map[string]*v1.EphemeralContainer{}
	for i := range pod.Spec.EphemeralContainers {
		after[pod.Spec.EphemeralContainers[i].Name] = &pod.Spec.EphemeralContainers[i]
	}
	for i := range old.Spec.EphemeralContainers {
		before := &old.Spec.EphemeralContainers[i]
		now := after[before.Name]
		if now == nil {
			errs = append(errs, field.Forbidden(path, fmt.Sprintf("existing ephemeral containers %q may not be removed\n", before.Name)))
		} else if !equality.Semantic.DeepEqual(before, now) {
			errs = append(errs, field.Forbidden(path, fmt.Sprintf("existing ephemeral containers %q may not be changed\n%v", before.Name, diff.Diff(before, now))))
		}
	}
	return errs
}
