package validation

import (
	"maps"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Messages that several checks use.
const (
	msgNegative    = apivalidation.IsNegativeErrorMsg
	msgImmutable   = apivalidation.FieldImmutableErrorMsg
	msgNotPositive = "must be greater than zero"
	msgNotInteger  = "must be an integer"
	msgFileMode    = "must be a number between 0 and 0777 (octal), both inclusive"
)

// nameFunc tells what is wrong with a name; with prefix, one to be completed.
type nameFunc = apivalidation.ValidateNameFunc

// validateMeta checks the metadata of a new object.
func validateMeta(meta *metav1.ObjectMeta, namespaced bool, name nameFunc, path *field.Path) field.ErrorList {
	errs := apivalidation.ValidateObjectMeta(meta, namespaced, name, path)
	return append(errs, validateFinalizers(meta.Finalizers, path)...)
}

// validateMetaUpdate checks the metadata of a changed object.
func validateMetaUpdate(new, old *metav1.ObjectMeta, path *field.Path) field.ErrorList {
	errs := apivalidation.ValidateObjectMetaUpdate(new, old, path)
	return append(errs, validateFinalizers(new.Finalizers, path)...)
}

func validateFinalizers(names []string, path *field.Path) (errs field.ErrorList) {
	for i, name := range names {
		errs = append(errs, validateFinalizer(name, path.Child("finalizers").Index(i))...)
	}
	return errs
}

// validateFinalizer checks that a finalizer without a domain is a standard one.
func validateFinalizer(name string, path *field.Path) field.ErrorList {
	standard := []string{string(v1.FinalizerKubernetes), metav1.FinalizerOrphanDependents, metav1.FinalizerDeleteDependents}
	if strings.Contains(name, "/") || slices.Contains(standard, name) {
		return nil
	}
	return field.ErrorList{field.Invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified")}
}

// invalid makes one error of every message about a value.
func invalid[T ~string | ~int | ~int32 | ~int64](path *field.Path, value T, messages []string) (errs field.ErrorList) {
	for _, message := range messages {
		errs = append(errs, field.Invalid(path, value, message))
	}
	return errs
}

func validateDNSLabel(value string, path *field.Path) field.ErrorList {
	return invalid(path, value, validation.IsDNS1123Label(value))
}

func validateDNSSubdomain(value string, path *field.Path) field.ErrorList {
	return invalid(path, value, validation.IsDNS1123Subdomain(value))
}

func validateQualifiedName(value string, path *field.Path) field.ErrorList {
	return invalid(path, value, validation.IsQualifiedName(value))
}

// validateName checks the name of some other object with that object's rule.
func validateName(value string, name nameFunc, path *field.Path) field.ErrorList {
	return invalid(path, value, name(value, false))
}

func validatePort(port int32, path *field.Path) field.ErrorList {
	return invalid(path, port, validation.IsValidPortNum(int(port)))
}

// validatePortNumberOrName checks a port given by number or by name.
func validatePortNumberOrName(port intstr.IntOrString, path *field.Path) field.ErrorList {
	switch port.Type {
	case intstr.Int:
		return invalid(path, port.IntValue(), validation.IsValidPortNum(port.IntValue()))
	case intstr.String:
		return invalid(path, port.StrVal, validation.IsValidPortName(port.StrVal))
	}
	return field.ErrorList{field.InternalError(path, errUnknownType(port.Type))}
}

// validateProtocol checks a protocol that must be given.
func validateProtocol(protocol v1.Protocol, path *field.Path) field.ErrorList {
	if protocol == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	return oneOf(path, protocol, v1.ProtocolSCTP, v1.ProtocolTCP, v1.ProtocolUDP)
}

func validateNonnegative(value int64, path *field.Path) field.ErrorList {
	if value >= 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, value, msgNegative).WithOrigin("minimum")}
}

func validatePositive(value int64, path *field.Path) field.ErrorList {
	if value > 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, value, msgNotPositive)}
}

// oneOf checks that a value is one of those supported; errors list these sorted.
func oneOf[T ~string](path *field.Path, value T, supported ...T) field.ErrorList {
	if slices.Contains(supported, value) {
		return nil
	}
	slices.Sort(supported)
	return field.ErrorList{field.NotSupported(path, value, supported)}
}

// required checks that a value is there.
func required[T ~string](path *field.Path, value T, detail string) field.ErrorList {
	if value != "" {
		return nil
	}
	return field.ErrorList{field.Required(path, detail)}
}

// validateImmutable checks that a value is what it was.
func validateImmutable(new, old any, path *field.Path) field.ErrorList {
	return apivalidation.ValidateImmutableField(new, old, path)
}

// sortedKeys are the keys of a map in order, so that errors come in one order.
func sortedKeys[K ~string, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}

type errUnknownType intstr.Type

func (e errUnknownType) Error() string { return "unknown type of int or string" }
