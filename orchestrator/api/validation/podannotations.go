package validation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Annotations that mean something for pods.
const (
	mirrorAnnotation     = "kubernetes.io/config.mirror"
	tolerationAnnotation = "scheduler.alpha.kubernetes.io/tolerations"
)

// validatePodAnnotations checks those annotations that mean something.
func validatePodAnnotations(annotations map[string]string, spec *v1.PodSpec, path *field.Path) (errs field.ErrorList) {
	if len(annotations) == 0 {
		return nil
	}
	if mirror, ok := annotations[mirrorAnnotation]; ok && spec.NodeName == "" {
		errs = append(errs, field.Invalid(path.Key(mirrorAnnotation), mirror, "must set spec.nodeName if mirror pod annotation is set"))
	}
	errs = append(errs, validateTolerationAnnotation(annotations[tolerationAnnotation], path)...)
	if cost, ok := annotations[v1.PodDeletionCost]; ok && !isDeletionCost(cost) {
		errs = append(errs, field.Invalid(path.Key(v1.PodDeletionCost), cost, "must be a 32bit integer"))
	}
	for _, key := range sortedKeys(annotations) {
		errs = append(errs, validateProfileAnnotation(key, annotations[key], spec, path)...)
	}
	return errs
}

// isDeletionCost tells whether a value is an integer of 32 bits without plus
// sign and leading zeros.
func isDeletionCost(value string) bool {
	if value == "" || value[0] == '+' || value[0] == '0' && value != "0" {
		return false
	}
	_, err := strconv.ParseInt(value, 10, 32)
	return err == nil
}

func validateTolerationAnnotation(value string, path *field.Path) field.ErrorList {
	if value == "" {
		return nil
	}
	var tolerations []v1.Toleration
	if err := json.Unmarshal([]byte(value), &tolerations); err != nil {
		return field.ErrorList{field.Invalid(path, tolerationAnnotation, err.Error())}
	}
	return validateTolerations(tolerations, path.Child(tolerationAnnotation))
}

// validateProfileAnnotation checks an annotation that names a security profile
// of seccomp or AppArmor, as was done before there were fields.
func validateProfileAnnotation(key, value string, spec *v1.PodSpec, path *field.Path) (errs field.ErrorList) {
	if key == v1.SeccompPodAnnotationKey || strings.HasPrefix(key, v1.SeccompContainerAnnotationKeyPrefix) {
		return validateSeccompName(value, path.Child(key))
	}
	container, ok := strings.CutPrefix(key, v1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix)
	if !ok {
		return nil
	}
	if !hasContainer(spec, container) {
		errs = append(errs, field.Invalid(path.Key(key), container, "container not found"))
	}
	known := value == "" || value == v1.DeprecatedAppArmorBetaProfileRuntimeDefault ||
		value == v1.DeprecatedAppArmorBetaProfileNameUnconfined || strings.HasPrefix(value, v1.DeprecatedAppArmorBetaProfileNamePrefix)
	if !known {
		errs = append(errs, field.Invalid(path.Key(key), value, fmt.Sprintf("invalid AppArmor profile name: %q", value)))
	}
	return errs
}

func validateSeccompName(name string, path *field.Path) field.ErrorList {
	switch name {
	case v1.SeccompProfileRuntimeDefault, v1.DeprecatedSeccompProfileDockerDefault, v1.SeccompProfileNameUnconfined:
		return nil
	}
	if file, ok := strings.CutPrefix(name, v1.SeccompLocalhostProfileNamePrefix); ok {
		return validateDescendingPath(file, path)
	}
	return field.ErrorList{field.Invalid(path, name, "must be a valid seccomp profile")}
}

func hasContainer(spec *v1.PodSpec, name string) (found bool) {
	visitContainers(spec, field.NewPath("spec"), func(c *v1.Container, _ *field.Path) {
		found = found || c.Name == name
	})
	return found
}

// validateAnnotationsUpdate checks that annotations which are fixed at creation
// are what they were.
func validateAnnotationsUpdate(pod, old *v1.Pod, path *field.Path) (errs field.ErrorList) {
	for _, key := range sortedKeys(old.Annotations) {
		if value, ok := pod.Annotations[key]; !ok || value != old.Annotations[key] {
			errs = append(errs, forbidFixed(key, "may not remove or update", path)...)
		}
	}
	for _, key := range sortedKeys(pod.Annotations) {
		if _, ok := old.Annotations[key]; !ok {
			errs = append(errs, forbidFixed(key, "may not add", path)...)
		}
	}
	return append(errs, validatePodAnnotations(pod.Annotations, &pod.Spec, path)...)
}

func forbidFixed(key, doing string, path *field.Path) (errs field.ErrorList) {
	if strings.HasPrefix(key, v1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix) {
		errs = append(errs, field.Forbidden(path.Key(key), doing+" AppArmor annotations"))
	}
	if key == mirrorAnnotation {
		errs = append(errs, field.Forbidden(path.Key(key), doing+" mirror pod annotation"))
	}
	return errs
}

// validateProfileAnnotations checks that annotations and fields which say the
// same thing, of the spec at path, agree.
func validateProfileAnnotations(annotations map[string]string, spec *v1.PodSpec, path *field.Path) (errs field.ErrorList) {
	if len(annotations) == 0 {
		return nil
	}
	if sc := spec.SecurityContext; sc != nil && sc.SeccompProfile != nil {
		if value, ok := annotations[v1.SeccompPodAnnotationKey]; ok {
			errs = append(errs, matchSeccomp(value, sc.SeccompProfile, path.Child("securityContext", "seccompProfile"))...)
		}
	}
	visitContainers(spec, path, func(c *v1.Container, at *field.Path) {
		value, ok := annotations[v1.SeccompContainerAnnotationKeyPrefix+c.Name]
		if ok && c.SecurityContext != nil && c.SecurityContext.SeccompProfile != nil {
			errs = append(errs, matchSeccomp(value, c.SecurityContext.SeccompProfile, at.Child("securityContext", "seccompProfile"))...)
		}
	})
	if isWindows(spec) {
		return errs
	}
	return slices.Concat(errs, validateAppArmorAnnotations(annotations, spec, path))
}

func validateAppArmorAnnotations(annotations map[string]string, spec *v1.PodSpec, path *field.Path) (errs field.ErrorList) {
	visitContainers(spec, path, func(c *v1.Container, at *field.Path) {
		value, ok := annotations[v1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix+c.Name]
		profile := appArmorProfile(spec, c)
		if ok && profile != nil {
			errs = append(errs, matchAppArmor(value, profile, at.Child("securityContext", "appArmorProfile"))...)
		}
	})
	return errs
}

// appArmorProfile is the profile of a container: its own or that of the pod.
func appArmorProfile(spec *v1.PodSpec, c *v1.Container) *v1.AppArmorProfile {
	if c.SecurityContext != nil && c.SecurityContext.AppArmorProfile != nil {
		return c.SecurityContext.AppArmorProfile
	}
	if spec.SecurityContext != nil {
		return spec.SecurityContext.AppArmorProfile
	}
	return nil
}

func matchSeccomp(value string, profile *v1.SeccompProfile, path *field.Path) field.ErrorList {
	match := true
	switch profile.Type {
	case v1.SeccompProfileTypeUnconfined:
		match = value == v1.SeccompProfileNameUnconfined
	case v1.SeccompProfileTypeRuntimeDefault:
		match = value == v1.SeccompProfileRuntimeDefault || value == v1.DeprecatedSeccompProfileDockerDefault
	case v1.SeccompProfileTypeLocalhost:
		return matchLocalhost(value, v1.SeccompLocalhostProfileNamePrefix, profile.LocalhostProfile, "seccomp", path)
	}
	return mustMatch(match, "seccomp", path)
}

func matchAppArmor(value string, profile *v1.AppArmorProfile, path *field.Path) field.ErrorList {
	match := true
	switch profile.Type {
	case v1.AppArmorProfileTypeUnconfined:
		match = value == v1.DeprecatedAppArmorBetaProfileNameUnconfined
	case v1.AppArmorProfileTypeRuntimeDefault:
		match = value == v1.DeprecatedAppArmorBetaProfileRuntimeDefault
	case v1.AppArmorProfileTypeLocalhost:
		return matchLocalhost(value, v1.DeprecatedAppArmorBetaProfileNamePrefix, profile.LocalhostProfile, "apparmor", path)
	}
	return mustMatch(match, "apparmor", path)
}

func matchLocalhost(value, prefix string, profile *string, what string, path *field.Path) field.ErrorList {
	name, ok := strings.CutPrefix(value, prefix)
	if !ok {
		return mustMatch(false, what, path)
	}
	if profile == nil || name != *profile {
		return field.ErrorList{field.Forbidden(path.Child("localhostProfile"), what+" profile in annotation and field must match")}
	}
	return nil
}

func mustMatch(match bool, what string, path *field.Path) field.ErrorList {
	if match {
		return nil
	}
	return field.ErrorList{field.Forbidden(path.Child("type"), what+" type in annotation and field must match")}
}
