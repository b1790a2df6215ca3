package validation

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

// ValidateEndpointsCreate checks new endpoints.
func ValidateEndpointsCreate(e *v1.Endpoints) field.ErrorList { return validateEndpoints(e, nil) }

// ValidateEndpointsUpdate checks changed endpoints.
func ValidateEndpointsUpdate(e, old *v1.Endpoints) field.ErrorList {
	errs := validateMetaUpdate(&e.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	return append(errs, validateEndpoints(e, old)...)
}

// validateEndpoints forgives subsets that stay as they were.
func validateEndpoints(e, old *v1.Endpoints) field.ErrorList {
	errs := validateMeta(&e.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	subsets := validateSubsets(e.Subsets, field.NewPath("subsets"))
	if len(subsets) > 0 && old != nil && apiequality.Semantic.DeepEqual(old.Subsets, e.Subsets) {
		subsets = nil
	}
	return append(errs, subsets...)
}

func validateSubsets(subsets []v1.EndpointSubset, path *field.Path) (errs field.ErrorList) {
	for i := range subsets {
		s, at := &subsets[i], path.Index(i)
		if len(s.Addresses) == 0 && len(s.NotReadyAddresses) == 0 {
			errs = append(errs, field.Required(at, "must specify `addresses` or `notReadyAddresses`"))
		}
		for j := range s.Addresses {
			errs = append(errs, validateEndpointAddress(&s.Addresses[j], at.Child("addresses").Index(j))...)
		}
		for j := range s.NotReadyAddresses {
			errs = append(errs, validateEndpointAddress(&s.NotReadyAddresses[j], at.Child("notReadyAddresses").Index(j))...)
		}
		for j := range s.Ports {
			errs = append(errs, validateEndpointPort(&s.Ports[j], len(s.Ports) > 1, at.Child("ports").Index(j))...)
		}
	}
	return errs
}

func validateEndpointAddress(a *v1.EndpointAddress, path *field.Path) field.ErrorList {
	errs := validateLegacyIP(a.IP, nil, path.Child("ip"))
	if a.Hostname != "" {
		errs = append(errs, validateDNSLabel(a.Hostname, path.Child("hostname"))...)
	}
	if a.NodeName != nil {
		errs = append(errs, validateName(*a.NodeName, apivalidation.NameIsDNSSubdomain, path.Child("nodeName"))...)
	}
	return append(errs, validateEndpointIP(a.IP, path.Child("ip"))...)
}

// validateEndpointIP refuses addresses that no other machine can reach.
func validateEndpointIP(address string, path *field.Path) (errs field.ErrorList) {
	ip := netutils.ParseIPSloppy(address)
	if ip == nil {
		return field.ErrorList{field.Invalid(path, address, "must be a valid IP address")}
	}
	if ip.IsUnspecified() {
		errs = append(errs, field.Invalid(path, address, fmt.Sprintf("may not be unspecified (%v)", address)))
	}
	if ip.IsLoopback() {
		errs = append(errs, field.Invalid(path, address, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
	}
	if ip.IsLinkLocalUnicast() {
		errs = append(errs, field.Invalid(path, address, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"))
	}
	if ip.IsLinkLocalMulticast() {
		errs = append(errs, field.Invalid(path, address, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"))
	}
	return errs
}

func validateEndpointPort(p *v1.EndpointPort, named bool, path *field.Path) (errs field.ErrorList) {
	if p.Name != "" {
		errs = append(errs, validateDNSLabel(p.Name, path.Child("name"))...)
	} else if named {
		errs = append(errs, field.Required(path.Child("name"), ""))
	}
	errs = append(errs, invalid(path.Child("port"), p.Port, validation.IsValidPortNum(int(p.Port)))...)
	errs = append(errs, validateProtocol(p.Protocol, path.Child("protocol"))...)
	if p.AppProtocol != nil {
		errs = append(errs, validateQualifiedName(*p.AppProtocol, path.Child("appProtocol"))...)
	}
	return errs
}
