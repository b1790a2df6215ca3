package validation

import (
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
	"k8s.io/utils/ptr"
)

// Most of each list in an endpoint slice.
const (
	maxSliceEndpoints = 1000
	maxSlicePorts     = 20000
	maxSliceAddresses = 100
	maxSliceTopology  = 16
	maxSliceHints     = 8
)

// ValidateEndpointSliceCreate checks a new slice.
func ValidateEndpointSliceCreate(s *discoveryv1.EndpointSlice) field.ErrorList {
	return validateEndpointSlice(s, nil)
}

// ValidateEndpointSliceUpdate checks a changed slice; its address type stays.
func ValidateEndpointSliceUpdate(s, old *discoveryv1.EndpointSlice) field.ErrorList {
	errs := validateMetaUpdate(&s.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	errs = append(errs, validateEndpointSlice(s, old)...)
	return append(errs, validateImmutable(s.AddressType, old.AddressType, field.NewPath("addressType"))...)
}

// validateEndpointSlice forgives endpoints that stay as they were.
func validateEndpointSlice(s, old *discoveryv1.EndpointSlice) field.ErrorList {
	errs := validateMeta(&s.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	if path := field.NewPath("addressType"); s.AddressType == "" {
		errs = append(errs, field.Required(path, ""))
	} else {
		errs = append(errs, oneOf(path, s.AddressType, discoveryv1.AddressTypeFQDN, discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6)...)
	}
	errs = append(errs, validateSlicePorts(s.Ports, field.NewPath("ports"))...)
	endpoints := validateSliceEndpoints(s, field.NewPath("endpoints"))
	if len(endpoints) > 0 && old != nil && apiequality.Semantic.DeepEqual(old.Endpoints, s.Endpoints) {
		endpoints = nil
	}
	return append(errs, endpoints...)
}

func validateSlicePorts(ports []discoveryv1.EndpointPort, path *field.Path) (errs field.ErrorList) {
	if len(ports) > maxSlicePorts {
		return field.ErrorList{field.TooMany(path, len(ports), maxSlicePorts)}
	}
	var names []string
	for i := range ports {
		p, at := &ports[i], path.Index(i)
		name := ptr.Deref(p.Name, "")
		if name != "" {
			errs = append(errs, validateDNSLabel(name, at.Child("name"))...)
		}
		if slices.Contains(names, name) {
			errs = append(errs, field.Duplicate(at.Child("name"), name))
		}
		names = append(names, name)
		errs = append(errs, validateProtocol(ptr.Deref(p.Protocol, ""), at.Child("protocol"))...)
		if p.AppProtocol != nil {
			errs = append(errs, validateQualifiedName(*p.AppProtocol, at.Child("appProtocol"))...)
		}
	}
	return errs
}

func validateSliceEndpoints(s *discoveryv1.EndpointSlice, path *field.Path) (errs field.ErrorList) {
	if len(s.Endpoints) > maxSliceEndpoints {
		return field.ErrorList{field.TooMany(path, len(s.Endpoints), maxSliceEndpoints)}
	}
	for i := range s.Endpoints {
		errs = append(errs, validateSliceEndpoint(&s.Endpoints[i], s.AddressType, path.Index(i))...)
	}
	return errs
}

func validateSliceEndpoint(e *discoveryv1.Endpoint, kind discoveryv1.AddressType, path *field.Path) (errs field.ErrorList) {
	addresses := path.Child("addresses")
	if len(e.Addresses) == 0 {
		errs = append(errs, field.Required(addresses, "must contain at least 1 address"))
	} else if len(e.Addresses) > maxSliceAddresses {
		errs = append(errs, field.TooMany(addresses, len(e.Addresses), maxSliceAddresses))
	}
	for i, address := range e.Addresses {
		errs = append(errs, validateSliceAddress(address, kind, addresses, i)...)
	}
	if e.NodeName != nil {
		errs = append(errs, validateName(*e.NodeName, apivalidation.NameIsDNSSubdomain, path.Child("nodeName"))...)
	}
	topology := path.Child("deprecatedTopology")
	if len(e.DeprecatedTopology) > maxSliceTopology {
		errs = append(errs, field.TooMany(topology, len(e.DeprecatedTopology), maxSliceTopology))
	}
	errs = append(errs, metav1validation.ValidateLabels(e.DeprecatedTopology, topology)...)
	if e.Hostname != nil {
		errs = append(errs, validateDNSLabel(*e.Hostname, path.Child("hostname"))...)
	}
	if e.Hints != nil {
		errs = append(errs, validateHints(e.Hints, path.Child("hints"))...)
	}
	return errs
}

func validateSliceAddress(address string, kind discoveryv1.AddressType, path *field.Path, i int) (errs field.ErrorList) {
	switch kind {
	case discoveryv1.AddressTypeIPv4:
		if errs = validateLegacyIP(address, nil, path.Index(i)); len(errs) > 0 {
			return errs
		}
		if !netutils.IsIPv4String(address) {
			errs = append(errs, field.Invalid(path, address, "must be an IPv4 address"))
		}
		return append(errs, validateEndpointIP(address, path.Index(i))...)
	case discoveryv1.AddressTypeIPv6:
		if errs = validation.IsValidIP(path.Index(i), address); len(errs) > 0 {
			return errs
		}
		if !netutils.IsIPv6String(address) {
			errs = append(errs, field.Invalid(path, address, "must be an IPv6 address"))
		}
		return append(errs, validateEndpointIP(address, path.Index(i))...)
	case discoveryv1.AddressTypeFQDN:
		return validation.IsFullyQualifiedDomainName(path.Index(i), address)
	}
	return nil
}

func validateHints(h *discoveryv1.EndpointHints, path *field.Path) (errs field.ErrorList) {
	zones, nodes := make([]string, len(h.ForZones)), make([]string, len(h.ForNodes))
	for i := range h.ForZones {
		zones[i] = h.ForZones[i].Name
	}
	for i := range h.ForNodes {
		nodes[i] = h.ForNodes[i].Name
	}
	errs = validateHintNames(zones, validation.IsValidLabelValue, path.Child("forZones"))
	return append(errs, validateHintNames(nodes, func(n string) []string {
		return apivalidation.NameIsDNSSubdomain(n, false)
	}, path.Child("forNodes"))...)
}

func validateHintNames(names []string, check func(string) []string, path *field.Path) (errs field.ErrorList) {
	if len(names) > maxSliceHints {
		return field.ErrorList{field.TooMany(path, len(names), maxSliceHints)}
	}
	for i, name := range names {
		at := path.Index(i).Child("name")
		if slices.Contains(names[:i], name) {
			errs = append(errs, field.Duplicate(at, name))
		}
		errs = append(errs, invalid(at, name, check(name))...)
	}
	return errs
}
