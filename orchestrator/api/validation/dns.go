package validation

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// What the resolver of the C library takes.
const (
	maxNameservers   = 3
	maxSearches      = 32
	maxSearchesChars = 2048
)

// validateDNSConfig checks a pod's resolver configuration against its policy.
func validateDNSConfig(spec *v1.PodSpec, path *field.Path) field.ErrorList {
	config := spec.DNSConfig
	if spec.DNSPolicy == v1.DNSNone {
		if config == nil {
			return field.ErrorList{field.Required(path, "must provide `dnsConfig` when `dnsPolicy` is None")}
		}
		if len(config.Nameservers) == 0 {
			return field.ErrorList{field.Required(path.Child("nameservers"), "must provide at least one DNS nameserver when `dnsPolicy` is None")}
		}
	}
	if config == nil {
		return nil
	}
	errs := slices.Concat(
		validateNameservers(config.Nameservers, path.Child("nameservers")),
		validateSearches(config.Searches, path.Child("searches")))
	for i, option := range config.Options {
		errs = append(errs, required(path.Child("options").Index(i), option.Name, "must not be empty")...)
	}
	return errs
}

func validateNameservers(servers []string, path *field.Path) (errs field.ErrorList) {
	if len(servers) > maxNameservers {
		errs = append(errs, field.Invalid(path, servers, fmt.Sprintf("must not have more than %v nameservers", maxNameservers)))
	}
	for i, server := range servers {
		errs = append(errs, validateAddress(server, nil, path.Index(i))...)
	}
	return errs
}

func validateSearches(searches []string, path *field.Path) (errs field.ErrorList) {
	if len(searches) > maxSearches {
		errs = append(errs, field.Invalid(path, searches, fmt.Sprintf("must not have more than %v search paths", maxSearches)))
	}
	if len(strings.Join(searches, " ")) > maxSearchesChars {
		errs = append(errs, field.Invalid(path, searches, fmt.Sprintf("must not have more than %v characters (including spaces) in the search list", maxSearchesChars)))
	}
	for i, search := range searches {
		if search == "." {
			continue
		}
		search = strings.TrimSuffix(search, ".")
		errs = append(errs, invalid(path.Index(i), search, validation.IsDNS1123SubdomainWithUnderscore(search))...)
	}
	return errs
}

// validateAddress checks an IP address as its field always took them: leading
// zeros and IPv4 within IPv6 included. Those of old values are not checked.
func validateAddress(address string, old []string, path *field.Path) field.ErrorList {
	return validation.IsValidIPForLegacyField(path, address, false, old)
}

// validateHostAliases checks lines for the hosts file.
func validateHostAliases(aliases []v1.HostAlias, path *field.Path) (errs field.ErrorList) {
	for i, alias := range aliases {
		errs = append(errs, validateAddress(alias.IP, nil, path.Index(i).Child("ip"))...)
		for j, name := range alias.Hostnames {
			errs = append(errs, validateDNSSubdomain(name, path.Index(i).Child("hostnames").Index(j))...)
		}
	}
	return errs
}
