package validation

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
	"k8s.io/utils/ptr"
)

const msgOnceSet = "may not change once set"

// validateLegacyIP checks an address of a field that has always taken sloppy
// forms (leading zeros), and all that it had before.
func validateLegacyIP(ip string, existing []string, path *field.Path) field.ErrorList {
	return validation.IsValidIPForLegacyField(path, ip, false, existing)
}

// ValidateServiceClusterIPs checks the addresses of a service, their families
// and the policy on families, which must fit each other. old is nil for a new
// service.
func ValidateServiceClusterIPs(s, old *v1.Service) field.ErrorList {
	if s.Spec.Type == v1.ServiceTypeExternalName {
		return nil
	}
	spec := field.NewPath("spec")
	errs := validateFirstClusterIP(s, spec.Child("clusterIPs"))
	errs = append(errs, validateIPFamilies(s, spec)...)
	bad := validateEachClusterIP(s, old, spec.Child("clusterIPs"))
	errs = append(errs, bad...)
	if len(s.Spec.ClusterIPs) > 2 {
		errs = append(errs, field.Invalid(spec.Child("clusterIPs"), s.Spec.ClusterIPs, "may only hold up to 2 values"))
	}
	if len(bad) > 0 {
		return errs
	}
	if len(s.Spec.ClusterIPs) > 1 {
		if dual, err := netutils.IsDualStackIPStrings(s.Spec.ClusterIPs); err != nil || !dual {
			errs = append(errs, field.Invalid(spec.Child("clusterIPs"), s.Spec.ClusterIPs, "may specify no more than one IP for each IP family"))
		}
	}
	return append(errs, validateFamilyOfIPs(s, spec.Child("clusterIPs"))...)
}

// validateFirstClusterIP checks that clusterIP is the first of clusterIPs.
func validateFirstClusterIP(s *v1.Service, path *field.Path) field.ErrorList {
	switch {
	case s.Spec.ClusterIP == "" && len(s.Spec.ClusterIPs) > 0:
		return field.ErrorList{field.Invalid(path, s.Spec.ClusterIPs, "must be empty when `clusterIP` is not specified")}
	case s.Spec.ClusterIP != "" && len(s.Spec.ClusterIPs) == 0:
		return field.ErrorList{field.Required(path, "")}
	case s.Spec.ClusterIP != "" && s.Spec.ClusterIPs[0] != s.Spec.ClusterIP:
		return field.ErrorList{field.Invalid(path, s.Spec.ClusterIPs, "first value must match `clusterIP`")}
	}
	return nil
}

func validateIPFamilies(s *v1.Service, spec *field.Path) (errs field.ErrorList) {
	seen := map[v1.IPFamily]bool{}
	for i, family := range s.Spec.IPFamilies {
		path := spec.Child("ipFamilies").Index(i)
		errs = append(errs, oneOf(path, family, v1.IPv4Protocol, v1.IPv6Protocol)...)
		if seen[family] {
			errs = append(errs, field.Duplicate(path, family))
		}
		seen[family] = true
	}
	if policy := s.Spec.IPFamilyPolicy; policy != nil {
		errs = append(errs, oneOf(spec.Child("ipFamilyPolicy"), *policy, v1.IPFamilyPolicyPreferDualStack,
			v1.IPFamilyPolicyRequireDualStack, v1.IPFamilyPolicySingleStack)...)
	}
	return errs
}

func validateEachClusterIP(s, old *v1.Service, path *field.Path) (errs field.ErrorList) {
	var existing []string
	if old != nil {
		existing = old.Spec.ClusterIPs
	}
	for i, ip := range s.Spec.ClusterIPs {
		switch {
		case i > 0 || ip != v1.ClusterIPNone:
			errs = append(errs, validateLegacyIP(ip, existing, path.Index(i))...)
		case len(s.Spec.ClusterIPs) > 1:
			errs = append(errs, field.Invalid(path, s.Spec.ClusterIPs, "'None' must be the first and only value"))
		}
	}
	return errs
}

func validateFamilyOfIPs(s *v1.Service, path *field.Path) (errs field.ErrorList) {
	if IsHeadless(s) {
		return nil
	}
	for i, ip := range s.Spec.ClusterIPs[:min(len(s.Spec.ClusterIPs), len(s.Spec.IPFamilies))] {
		v6 := netutils.IsIPv6String(ip)
		if family := s.Spec.IPFamilies[i]; family == v1.IPv4Protocol && v6 || family == v1.IPv6Protocol && !v6 {
			errs = append(errs, field.Invalid(path.Index(i), ip,
				fmt.Sprintf("expected an %s value as indicated by `ipFamilies[%v]`", family, i)))
		}
	}
	return errs
}

// addressesComparable tells whether a change keeps a service among those that
// have addresses or would have.
func addressesComparable(old, s *v1.Service) bool {
	return old.Spec.Type != v1.ServiceTypeExternalName && s.Spec.Type != v1.ServiceTypeExternalName
}

// validateClusterIPChange checks that addresses are kept; a second one may come,
// or go with the policy SingleStack.
func validateClusterIPChange(old, s *v1.Service) (errs field.ErrorList) {
	if !addressesComparable(old, s) || IsHeadless(old) && IsHeadless(s) {
		return nil
	}
	before, after, path := old.Spec.ClusterIPs, s.Spec.ClusterIPs, field.NewPath("spec", "clusterIPs")
	if len(before) == len(after) {
		for i := range before {
			if before[i] != after[i] {
				errs = append(errs, field.Invalid(path.Index(i), after, msgOnceSet))
			}
		}
		return errs
	}
	switch {
	case len(after) == 0:
		errs = append(errs, field.Invalid(path.Index(0), after, "primary clusterIP can not be unset"))
	case len(before) > 0 && before[0] != after[0]:
		errs = append(errs, field.Invalid(path.Index(0), after, msgOnceSet))
	}
	if len(before) > len(after) && len(after) == 1 && !isSingleStack(s) {
		errs = append(errs, notSingleStack(s, "clusterIP"))
	}
	return errs
}

// validateIPFamilyChange checks the same of the families of addresses.
func validateIPFamilyChange(old, s *v1.Service) (errs field.ErrorList) {
	if !addressesComparable(old, s) || IsHeadless(old) || IsHeadless(s) {
		return nil
	}
	before, after, path := old.Spec.IPFamilies, s.Spec.IPFamilies, field.NewPath("spec", "ipFamilies").Index(0)
	if len(before) == len(after) {
		for i := range before {
			if before[i] != after[i] {
				errs = append(errs, field.Invalid(path, after, msgOnceSet))
			}
		}
		return errs
	}
	if len(before) > len(after) && len(s.Spec.ClusterIPs) == 0 {
		errs = append(errs, field.Invalid(path, after, "primary ipFamily can not be unset"))
	}
	if len(before) > 0 && len(after) > 0 && before[0] != after[0] {
		errs = append(errs, field.Invalid(path, s.Spec.ClusterIPs, msgOnceSet))
	}
	if len(before) > len(after) && len(after) == 1 && !isSingleStack(s) {
		errs = append(errs, notSingleStack(s, "ipFamily"))
	}
	return errs
}

func isSingleStack(s *v1.Service) bool {
	return ptr.Deref(s.Spec.IPFamilyPolicy, "") == v1.IPFamilyPolicySingleStack
}

func notSingleStack(s *v1.Service, released string) *field.Error {
	return field.Invalid(field.NewPath("spec", "ipFamilyPolicy"), s.Spec.IPFamilyPolicy,
		"must be set to 'SingleStack' when releasing the secondary "+released)
}
