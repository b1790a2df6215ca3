package validation

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateEnv(vars []v1.EnvVar, path *field.Path) (errs field.ErrorList) {
	for i := range vars {
		at := path.Index(i)
		if vars[i].Name == "" {
			errs = append(errs, field.Required(at.Child("name"), ""))
		} else {
			errs = append(errs, invalid(at.Child("name"), vars[i].Name, validation.IsRelaxedEnvVarName(vars[i].Name))...)
		}
		if vars[i].ValueFrom != nil {
			errs = append(errs, validateEnvSource(&vars[i], at.Child("valueFrom"))...)
		}
	}
	return errs
}

func validateEnvSource(env *v1.EnvVar, path *field.Path) (errs field.ErrorList) {
	from, sources := env.ValueFrom, 0
	if from.FieldRef != nil {
		sources++
		errs = append(errs, validateFieldRef(from.FieldRef, envFields, path.Child("fieldRef"))...)
	}
	if from.ResourceFieldRef != nil {
		sources++
		errs = append(errs, validateResourceRef(from.ResourceFieldRef, false, path.Child("resourceFieldRef"))...)
	}
	if ref := from.ConfigMapKeyRef; ref != nil {
		sources++
		errs = append(errs, validateKeyRef(ref.Name, ref.Key, path.Child("configMapKeyRef"))...)
	}
	if ref := from.SecretKeyRef; ref != nil {
		sources++
		errs = append(errs, validateKeyRef(ref.Name, ref.Key, path.Child("secretKeyRef"))...)
	}
	if from.FileKeyRef != nil {
		sources++
		errs = append(errs, validateFileKeyRef(from.FileKeyRef, path.Child("fileKeyRef"))...)
	}
	switch {
	case sources == 0:
		return append(errs, field.Invalid(path, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"))
	case env.Value != "":
		return append(errs, field.Invalid(path, "", "may not be specified when `value` is not empty"))
	case sources > 1:
		return append(errs, field.Invalid(path, "", "may not have more than one field specified at a time"))
	}
	return errs
}

// The fields of a pod that the downward API gives to environment and files,
// sorted.
var (
	envFields = []string{
		"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
		"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
	}
	fileFields = []string{
		"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid",
	}
	resourceFields = []string{
		"limits.cpu", "limits.ephemeral-storage", "limits.memory",
		"requests.cpu", "requests.ephemeral-storage", "requests.memory",
	}
	// labelFields are those that name a field only for other purposes.
	labelFields = []string{"spec.restartPolicy", "spec.schedulerName", "status.phase"}
)

// validateFieldRef checks a reference to a field of the pod; supported are
// those that the place takes, besides single labels and annotations.
func validateFieldRef(ref *v1.ObjectFieldSelector, supported []string, path *field.Path) field.ErrorList {
	at := path.Child("fieldPath")
	switch {
	case ref.APIVersion == "":
		return field.ErrorList{field.Required(path.Child("apiVersion"), "")}
	case ref.FieldPath == "":
		return field.ErrorList{field.Required(at, "")}
	case ref.APIVersion != "v1":
		return field.ErrorList{field.Invalid(at, ref.FieldPath, "error converting fieldPath: unsupported pod version: "+ref.APIVersion)}
	}
	name, subscript, ok := splitSubscript(ref.FieldPath)
	switch {
	case ok && name == "metadata.annotations":
		return validateQualifiedName(strings.ToLower(subscript), path)
	case ok && name == "metadata.labels":
		return validateQualifiedName(subscript, path)
	case ok:
		return field.ErrorList{field.Invalid(at, ref.FieldPath, "error converting fieldPath: field label does not support subscript: "+ref.FieldPath)}
	case name == "spec.host":
		name = "spec.nodeName"
	case !slices.Contains(envFields, name) && !slices.Contains(fileFields, name) && !slices.Contains(labelFields, name):
		return field.ErrorList{field.Invalid(at, ref.FieldPath, "error converting fieldPath: field label not supported: "+name)}
	}
	if !slices.Contains(supported, name) {
		return field.ErrorList{field.NotSupported(at, name, supported)}
	}
	return nil
}

// splitSubscript splits a path like metadata.labels['name'] and tells whether
// it is one.
func splitSubscript(path string) (name, subscript string, ok bool) {
	inner, ok := strings.CutSuffix(path, "']")
	if !ok {
		return path, "", false
	}
	name, subscript, ok = strings.Cut(inner, "['")
	if !ok || name == "" {
		return path, "", false
	}
	return name, subscript, true
}

// validateResourceRef checks a reference to a request or limit of a container,
// which in a volume must be named.
func validateResourceRef(ref *v1.ResourceFieldSelector, volume bool, path *field.Path) (errs field.ErrorList) {
	switch {
	case volume && ref.ContainerName == "":
		errs = field.ErrorList{field.Required(path.Child("containerName"), "")}
	case ref.Resource == "":
		errs = field.ErrorList{field.Required(path.Child("resource"), "")}
	case !slices.Contains(resourceFields, ref.Resource) && !isHugePagesField(ref.Resource):
		errs = field.ErrorList{field.NotSupported(path.Child("resource"), ref.Resource, resourceFields)}
	}
	return append(errs, validateDivisor(ref.Resource, ref.Divisor, path.Child("divisor"))...)
}

func isHugePagesField(name string) bool {
	return strings.HasPrefix(name, "requests.hugepages-") || strings.HasPrefix(name, "limits.hugepages-")
}

// validateDivisor checks the unit in which a resource is given.
func validateDivisor(name string, divisor resource.Quantity, path *field.Path) field.ErrorList {
	if divisor.IsZero() {
		return nil
	}
	const bytes = "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei"
	var units, detail string
	switch _, kind, _ := strings.Cut(name, "."); {
	case isHugePagesField(name):
		units, detail = bytes, bytes+" are supported with the hugepages resource"
	case !slices.Contains(resourceFields, name):
		return nil
	case kind == "cpu":
		units, detail = "1m, 1", "1m and 1 are supported with the cpu resource"
	case kind == "memory":
		units, detail = bytes, bytes+" are supported with the memory resource"
	default:
		units, detail = bytes, bytes+" are supported with the local ephemeral storage resource"
	}
	if slices.Contains(strings.Split(units, ", "), divisor.String()) {
		return nil
	}
	return field.ErrorList{field.Invalid(path, name, fmt.Sprint("only divisor's values ", detail))}
}

// validateKeyRef checks a reference to a key of a ConfigMap or Secret.
func validateKeyRef(name, key string, path *field.Path) field.ErrorList {
	errs := validateName(name, apivalidation.NameIsDNSSubdomain, path.Child("name"))
	if key == "" {
		return append(errs, field.Required(path.Child("key"), ""))
	}
	return append(errs, invalid(path.Child("key"), key, validation.IsConfigMapKey(key))...)
}

func validateFileKeyRef(ref *v1.FileKeySelector, path *field.Path) (errs field.ErrorList) {
	if ref.Key == "" {
		errs = append(errs, field.Required(path.Child("key"), ""))
	} else {
		errs = append(errs, invalid(path.Child("key"), ref.Key, validation.IsRelaxedEnvVarName(ref.Key))...)
	}
	if ref.VolumeName == "" {
		errs = append(errs, field.Required(path.Child("volumeName"), ""))
	} else {
		errs = append(errs, validateDNSLabel(ref.VolumeName, path.Child("volumeName"))...)
	}
	if ref.Path == "" {
		return append(errs, field.Required(path.Child("path"), ""))
	}
	return append(errs, validateNoBacksteps(ref.Path, path.Child("path"))...)
}

// validateFileKeyVolumes checks that files which set environment variables are
// in volumes of the pod's own.
func (c *specCheck) validateFileKeyVolumes(path *field.Path) (errs field.ErrorList) {
	visitContainers(c.spec, path, func(container *v1.Container, at *field.Path) {
		for i, env := range container.Env {
			if env.ValueFrom == nil || env.ValueFrom.FileKeyRef == nil {
				continue
			}
			name, at := env.ValueFrom.FileKeyRef.VolumeName, at.Child("env").Index(i).Child("valueFrom", "fileKeyRef", "volumeName")
			// The last of a name counts, as valid or not.
			volume := lastVolume(c.spec.Volumes, name)
			if volume == nil {
				errs = append(errs, field.NotFound(at, name))
			} else if volume.EmptyDir == nil {
				errs = append(errs, field.Invalid(at, name, "referenced volume must be of type emptyDir"))
			}
		}
	})
	return errs
}

func lastVolume(volumes []v1.Volume, name string) *v1.Volume {
	for i := range slices.Backward(volumes) {
		if volumes[i].Name == name {
			return &volumes[i]
		}
	}
	return nil
}

func validateEnvFrom(sources []v1.EnvFromSource, path *field.Path) (errs field.ErrorList) {
	for i, source := range sources {
		at, given := path.Index(i), 0
		if source.Prefix != "" {
			errs = append(errs, invalid(at.Child("prefix"), source.Prefix, validation.IsRelaxedEnvVarName(source.Prefix))...)
		}
		if source.ConfigMapRef != nil {
			given++
			errs = append(errs, validateEnvFromName(source.ConfigMapRef.Name, at.Child("configMapRef", "name"))...)
		}
		if source.SecretRef != nil {
			given++
			errs = append(errs, validateEnvFromName(source.SecretRef.Name, at.Child("secretRef", "name"))...)
		}
		if given == 0 {
			errs = append(errs, field.Invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
		} else if given > 1 {
			errs = append(errs, field.Invalid(path, "", "may not have more than one field specified at a time"))
		}
	}
	return errs
}

// validateEnvFromName checks the name of a ConfigMap or Secret, which may be
// the beginning of one.
func validateEnvFromName(name string, path *field.Path) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	return invalid(path, name, apivalidation.NameIsDNSSubdomain(name, true))
}
