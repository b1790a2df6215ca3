package validation

import (
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// isStandardResource tells whether an unqualified name is one that Kubernetes
// knows in any place: on nodes, in containers, quotas and limit ranges.
func isStandardResource(name v1.ResourceName) bool {
	return name == v1.ResourceStorage || isQuotaResource(name)
}

// isQuotaResource tells whether a quota can be set on that unqualified name.
func isQuotaResource(name v1.ResourceName) bool {
	switch name {
	case v1.ResourceCPU, v1.ResourceMemory, v1.ResourceEphemeralStorage,
		v1.ResourceRequestsCPU, v1.ResourceRequestsMemory, v1.ResourceRequestsStorage, v1.ResourceRequestsEphemeralStorage,
		v1.ResourceLimitsCPU, v1.ResourceLimitsMemory, v1.ResourceLimitsEphemeralStorage:
		return true
	}
	return isObjectCount(name) || isHugePages(name) || strings.HasPrefix(string(name), v1.ResourceRequestsHugePagesPrefix)
}

// isObjectCount tells whether the name counts objects.
func isObjectCount(name v1.ResourceName) bool {
	return slices.Contains([]v1.ResourceName{
		v1.ResourcePods, v1.ResourceQuotas, v1.ResourceServices, v1.ResourceReplicationControllers, v1.ResourceSecrets,
		v1.ResourceConfigMaps, v1.ResourcePersistentVolumeClaims, v1.ResourceServicesNodePorts, v1.ResourceServicesLoadBalancers,
	}, name)
}

// isContainerResource tells whether containers can ask for that unqualified name.
func isContainerResource(name v1.ResourceName) bool {
	return name == v1.ResourceCPU || name == v1.ResourceMemory || name == v1.ResourceEphemeralStorage || isHugePages(name)
}

func isHugePages(name v1.ResourceName) bool {
	return strings.HasPrefix(string(name), v1.ResourceHugePagesPrefix)
}

// isNativeResource tells whether the name has no domain or Kubernetes' own.
func isNativeResource(name v1.ResourceName) bool {
	return !strings.Contains(string(name), "/") || strings.Contains(string(name), v1.ResourceDefaultNamespacePrefix)
}

// isExtendedResource tells whether the name is of somebody else's domain, and
// one that a quota could be named after.
func isExtendedResource(name v1.ResourceName) bool {
	if isNativeResource(name) || strings.HasPrefix(string(name), v1.DefaultResourceRequestsPrefix) {
		return false
	}
	return len(validation.IsQualifiedName(v1.DefaultResourceRequestsPrefix+string(name))) == 0
}

// isOvercommitAllowed tells whether a limit may exceed the request.
func isOvercommitAllowed(name v1.ResourceName) bool {
	return isNativeResource(name) && !isHugePages(name)
}

// isIntegerResource tells whether only whole numbers make sense.
func isIntegerResource(name v1.ResourceName) bool {
	return isObjectCount(name) || isExtendedResource(name)
}

// validateResourceName checks a name of a resource of any kind.
func validateResourceName(name v1.ResourceName, path *field.Path) field.ErrorList {
	if errs := invalid(path, name, validation.IsQualifiedName(string(name))); len(errs) > 0 {
		return errs
	}
	if !strings.Contains(string(name), "/") && !isStandardResource(name) {
		return field.ErrorList{field.Invalid(path, name, "must be a standard resource type or fully qualified")}
	}
	return nil
}

// validateContainerResourceName checks a name in a container's requests or limits.
func validateContainerResourceName(name v1.ResourceName, path *field.Path) field.ErrorList {
	errs := validateResourceName(name, path)
	switch {
	case !strings.Contains(string(name), "/"):
		if !isContainerResource(name) {
			errs = append(errs, field.Invalid(path, name, "must be a standard resource for containers"))
		}
	case !isNativeResource(name) && !isExtendedResource(name):
		errs = append(errs, field.Invalid(path, name, "doesn't follow extended resource name standard"))
	}
	return errs
}

func validateNonnegativeQuantity(value resource.Quantity, path *field.Path) field.ErrorList {
	if value.Sign() >= 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, value.String(), msgNegative)}
}

func validatePositiveQuantity(value resource.Quantity, path *field.Path) field.ErrorList {
	if value.Sign() > 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, value.String(), msgNotPositive)}
}

// validateResourceQuantity checks a quantity of that resource: not negative, and
// whole where only that makes sense.
func validateResourceQuantity(name v1.ResourceName, value resource.Quantity, path *field.Path) field.ErrorList {
	errs := validateNonnegativeQuantity(value, path)
	if isIntegerResource(name) && value.MilliValue()%1000 != 0 {
		errs = append(errs, field.Invalid(path, value, msgNotInteger))
	}
	return errs
}

// isHugePageMultiple tells whether the quantity is a multiple of the page size
// that the name says.
func isHugePageMultiple(name v1.ResourceName, quantity resource.Quantity) bool {
	size, err := resource.ParseQuantity(strings.TrimPrefix(string(name), v1.ResourceHugePagesPrefix))
	if err != nil || size.Sign() <= 0 || size.MilliValue()%1000 != 0 || size.Value() == 0 {
		return false
	}
	return quantity.Value()%size.Value() == 0
}
