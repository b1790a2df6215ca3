package validation

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Priorities of the two classes that the system owns, and the highest that
// users may give.
const (
	SystemCriticalPriority      = 2 * HighestUserPriority
	HighestUserPriority         = int32(1000000000)
	SystemNodeCriticalPriority  = SystemCriticalPriority + 1000
	systemPriorityPrefix        = "system-"
	systemNodeCriticalClass     = "system-node-critical"
	systemClusterCriticalClass  = "system-cluster-critical"
	reservedPriorityClassPrefix = "priority class names with '" + systemPriorityPrefix + "' prefix are reserved for system use only. error: "
)

// ValidatePriorityClassCreate checks a new priority class.
func ValidatePriorityClassCreate(p *schedulingv1.PriorityClass) field.ErrorList {
	errs := validateMeta(&p.ObjectMeta, false, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	if strings.HasPrefix(p.Name, systemPriorityPrefix) {
		if message := notSystemPriorityClass(p); message != "" {
			errs = append(errs, field.Forbidden(field.NewPath("metadata", "name"), reservedPriorityClassPrefix+message))
		}
	} else if p.Value > HighestUserPriority {
		errs = append(errs, field.Forbidden(field.NewPath("value"),
			fmt.Sprintf("maximum allowed value of a user defined priority is %v", HighestUserPriority)))
	}
	if policy := p.PreemptionPolicy; policy != nil {
		path := field.NewPath("preemptionPolicy")
		if *policy == "" {
			return append(errs, field.Required(path, ""))
		}
		errs = append(errs, oneOf(path, *policy, v1.PreemptLowerPriority, v1.PreemptNever)...)
	}
	return errs
}

// ValidatePriorityClassUpdate checks a changed priority class; its value and
// policy stay.
func ValidatePriorityClassUpdate(p, old *schedulingv1.PriorityClass) field.ErrorList {
	errs := validateMetaUpdate(&p.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	if p.Value != old.Value {
		errs = append(errs, field.Forbidden(field.NewPath("value"), "may not be changed in an update."))
	}
	return append(errs, validateImmutable(p.PreemptionPolicy, old.PreemptionPolicy, field.NewPath("preemptionPolicy"))...)
}

// notSystemPriorityClass says why a class is not one of the system's.
func notSystemPriorityClass(p *schedulingv1.PriorityClass) string {
	values := map[string]int32{systemNodeCriticalClass: SystemNodeCriticalPriority, systemClusterCriticalClass: SystemCriticalPriority}
	value, known := values[p.Name]
	switch {
	case !known:
		return fmt.Sprintf("%v is not a known system priority class", p.Name)
	case p.Value != value:
		return fmt.Sprintf("value of %v PriorityClass must be %v", p.Name, value)
	case p.GlobalDefault:
		return fmt.Sprintf("globalDefault of %v PriorityClass must be false", p.Name)
	}
	return ""
}
