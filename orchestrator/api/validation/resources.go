package validation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	resourcehelper "k8s.io/component-helpers/resource"
)

// validateContainerResources checks the requests and limits of a container.
func (c *specCheck) validateContainerResources(r *v1.ResourceRequirements, path *field.Path) field.ErrorList {
	return validateRequirements(r, validateContainerResourceName, c.claims, path)
}

type resourceNameCheck func(v1.ResourceName, *field.Path) field.ErrorList

// validateRequirements checks requests and limits whose names a place takes;
// claims are the names of the resource claims that can be used.
func validateRequirements(r *v1.ResourceRequirements, name resourceNameCheck, claims []string, path *field.Path) (errs field.ErrorList) {
	limits, requests := path.Child("limits"), path.Child("requests")
	for _, resource := range sortedKeys(r.Limits) {
		errs = append(errs, validateAmount(resource, r.Limits, name, limits)...)
		errs = append(errs, validateHugePageAmount(resource, r.Limits, limits)...)
	}
	for _, resource := range sortedKeys(r.Requests) {
		errs = append(errs, validateAmount(resource, r.Requests, name, requests)...)
		errs = append(errs, validateRequestLimit(resource, r, requests, limits)...)
		errs = append(errs, validateHugePageAmount(resource, r.Requests, requests)...)
	}
	if usesHugePages(r) && !usesCPUOrMemory(r) {
		errs = append(errs, field.Forbidden(path, "HugePages require cpu or memory"))
	}
	return append(errs, validateClaimNames(r.Claims, claims, path.Child("claims"))...)
}

func validateAmount(resource v1.ResourceName, list v1.ResourceList, name resourceNameCheck, path *field.Path) field.ErrorList {
	at := path.Key(string(resource))
	return slices.Concat(name(resource, at), validateResourceQuantity(resource, list[resource], at))
}

func validateHugePageAmount(resource v1.ResourceName, list v1.ResourceList, path *field.Path) field.ErrorList {
	quantity := list[resource]
	if !isHugePages(resource) || isHugePageMultiple(resource, quantity) {
		return nil
	}
	detail := fmt.Sprintf("%s is not positive integer multiple of %s", quantity.String(), resource)
	return field.ErrorList{field.Invalid(path.Key(string(resource)), quantity.String(), detail)}
}

// validateRequestLimit checks that a request is no more than its limit, and
// equal to it where more than there is cannot be promised.
func validateRequestLimit(resource v1.ResourceName, r *v1.ResourceRequirements, requests, limits *field.Path) field.ErrorList {
	request := r.Requests[resource]
	limit, limited := r.Limits[resource]
	overcommit := isOvercommitAllowed(resource)
	switch {
	case !limited && !overcommit:
		return field.ErrorList{field.Required(limits, "Limit must be set for non overcommitable resources")}
	case !limited:
		return nil
	case !overcommit && request.Cmp(limit) != 0:
		return field.ErrorList{field.Invalid(requests, request.String(), fmt.Sprintf("must be equal to %s limit of %s", resource, limit.String()))}
	case request.Cmp(limit) > 0:
		return field.ErrorList{field.Invalid(requests, request.String(), fmt.Sprintf("must be less than or equal to %s limit of %s", resource, limit.String()))}
	}
	return nil
}

func usesHugePages(r *v1.ResourceRequirements) bool {
	for _, list := range [2]v1.ResourceList{r.Limits, r.Requests} {
		for name := range list {
			if isHugePages(name) {
				return true
			}
		}
	}
	return false
}

func usesCPUOrMemory(r *v1.ResourceRequirements) bool {
	for _, list := range [2]v1.ResourceList{r.Limits, r.Requests} {
		for _, name := range [2]v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory} {
			if _, ok := list[name]; ok {
				return true
			}
		}
	}
	return false
}

// validateClaimNames checks that the resource claims a container uses are the
// pod's and each used once, as a whole or by its parts.
func validateClaimNames(used []v1.ResourceClaim, claims []string, path *field.Path) (errs field.ErrorList) {
	seen := map[string]bool{}
	for i, claim := range used {
		at := path.Index(i)
		if claim.Name == "" {
			errs = append(errs, field.Required(at, ""))
			continue
		}
		errs = append(errs, validateClaimOnce(claim, seen, at)...)
		if !slices.Contains(claims, claim.Name) {
			missing := field.NotFound(at, claim.Name)
			missing.Detail = "must be one of the names in pod.spec.resourceClaims" + listed(claims)
			errs = append(errs, missing)
		}
	}
	return errs
}

func listed(claims []string) string {
	if len(claims) == 0 {
		return " which is empty"
	}
	return ": " + strings.Join(slices.Compact(slices.Sorted(slices.Values(claims))), ", ")
}

func validateClaimOnce(claim v1.ResourceClaim, seen map[string]bool, at *field.Path) (errs field.ErrorList) {
	if seen[claim.Name] {
		return field.ErrorList{field.Duplicate(at, claim.Name)}
	}
	key := claim.Name
	if claim.Request != "" {
		errs = append(errs, validateDNSLabel(claim.Request, at.Child("request"))...)
		key += "/" + claim.Request
	}
	if seen[key] {
		errs = append(errs, field.Duplicate(at, key))
	} else if claim.Request == "" {
		for other := range maps.Keys(seen) {
			if name, _, part := strings.Cut(other, "/"); part && name == claim.Name {
				errs = append(errs, field.Duplicate(at, claim.Name))
			}
		}
	}
	seen[key] = true
	return errs
}

// validateResourceClaims checks the pod's claims and collects their names.
func (c *specCheck) validateResourceClaims(path *field.Path) (errs field.ErrorList) {
	seen := map[string]bool{}
	for i := range c.spec.ResourceClaims {
		claim := &c.spec.ResourceClaims[i]
		if claim.Name != "" {
			c.claims = append(c.claims, claim.Name)
		}
		errs = append(errs, c.validateResourceClaim(claim, seen, path.Index(i))...)
	}
	return errs
}

func (c *specCheck) validateResourceClaim(claim *v1.PodResourceClaim, seen map[string]bool, path *field.Path) (errs field.ErrorList) {
	if c.meta != nil && hasAnnotation(c.meta.Annotations, mirrorAnnotation) {
		return field.ErrorList{field.Forbidden(field.NewPath(""), "static pods do not support resource claims")}
	}
	switch {
	case claim.Name == "":
		errs = append(errs, field.Required(path.Child("name"), ""))
	case seen[claim.Name]:
		errs = append(errs, field.Duplicate(path.Child("name"), claim.Name))
	default:
		errs = append(errs, validateDNSLabel(claim.Name, path.Child("name"))...)
		seen[claim.Name] = true
	}
	if claim.ResourceClaimName != nil && claim.ResourceClaimTemplateName != nil {
		errs = append(errs, field.Invalid(path, *claim, "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"))
	}
	if claim.ResourceClaimName == nil && claim.ResourceClaimTemplateName == nil {
		errs = append(errs, field.Invalid(path, *claim, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"))
	}
	if name := claim.ResourceClaimName; name != nil {
		errs = append(errs, validateName(*name, apivalidation.NameIsDNSSubdomain, path.Child("resourceClaimName"))...)
	}
	if name := claim.ResourceClaimTemplateName; name != nil {
		errs = append(errs, validateName(*name, apivalidation.NameIsDNSSubdomain, path.Child("resourceClaimTemplateName"))...)
	}
	return errs
}

func hasAnnotation(annotations map[string]string, key string) bool {
	_, ok := annotations[key]
	return ok
}

// validatePodResources checks the resources of the pod as a whole.
func (c *specCheck) validatePodResources(path *field.Path) (errs field.ErrorList) {
	whole := c.spec.Resources
	if whole == nil {
		return nil
	}
	if isWindows(c.spec) {
		return field.ErrorList{field.Forbidden(path, "may not be set for a windows pod")}
	}
	if whole.Claims != nil {
		errs = append(errs, field.Forbidden(path.Child("claims"), "claims may not be set for Resources at pod-level"))
	}
	errs = append(errs, validateRequirements(whole, validatePodResourceName, c.claims, path)...)
	return append(errs, c.validatePodTotals(path)...)
}

func validatePodResourceName(name v1.ResourceName, path *field.Path) field.ErrorList {
	if errs := validateResourceName(name, path); len(errs) > 0 {
		return errs
	}
	if resourcehelper.IsSupportedPodLevelResource(name) {
		return nil
	}
	return field.ErrorList{field.NotSupported(path, name, slices.Sorted(maps.Keys(resourcehelper.SupportedPodLevelResources())))}
}

// validatePodTotals checks that what the containers ask for fits the pod.
func (c *specCheck) validatePodTotals(path *field.Path) (errs field.ErrorList) {
	whole, pod := c.spec.Resources, &v1.Pod{Spec: *c.spec}
	requests := resourcehelper.AggregateContainerRequests(pod, resourcehelper.PodResourcesOptions{})
	for _, name := range sortedKeys(requests) {
		total := requests[name]
		if given, ok := whole.Requests[name]; ok && total.Cmp(given) > 0 {
			detail := fmt.Sprintf("must be greater than or equal to aggregate container requests of %s", total.String())
			errs = append(errs, field.Invalid(path.Child("requests").Key(string(name)), given.String(), detail))
		}
	}
	limits := resourcehelper.AggregateContainerLimits(pod, resourcehelper.PodResourcesOptions{})
	for _, name := range sortedKeys(limits) {
		total := limits[name]
		if given, ok := whole.Limits[name]; ok && isHugePages(name) && total.Cmp(given) > 0 {
			detail := fmt.Sprintf("must be greater than or equal to aggregate container limits of %s", total.String())
			errs = append(errs, field.Invalid(path.Child("limits").Key(string(name)), given.String(), detail))
		}
	}
	for i := range c.spec.Containers {
		errs = append(errs, validateWithinPod(c.spec.Containers[i].Resources.Limits, whole.Limits, path.Child("containers").Index(i))...)
	}
	return errs
}

func validateWithinPod(limits, whole v1.ResourceList, path *field.Path) (errs field.ErrorList) {
	for _, name := range sortedKeys(limits) {
		limit := limits[name]
		if given, ok := whole[name]; ok && limit.Cmp(given) > 0 {
			detail := fmt.Sprintf("must be less than or equal to pod limits of %s", given.String())
			errs = append(errs, field.Invalid(path.Key(string(name)).Child("limits"), limit.String(), detail))
		}
	}
	return errs
}

// validateResizePolicy checks what a change of resources does to a container.
func (c *specCheck) validateResizePolicy(policies []v1.ContainerResizePolicy, path *field.Path) (errs field.ErrorList) {
	seen := map[v1.ResourceName]bool{}
	for i, p := range policies {
		if seen[p.ResourceName] {
			errs = append(errs, field.Duplicate(path.Index(i), p.ResourceName))
		}
		seen[p.ResourceName] = true
		errs = append(errs, requiredOneOf(path, p.ResourceName, v1.ResourceCPU, v1.ResourceMemory)...)
		errs = append(errs, requiredOneOf(path, p.RestartPolicy, v1.NotRequired, v1.RestartContainer)...)
		if c.spec.RestartPolicy == v1.RestartPolicyNever && p.RestartPolicy != v1.NotRequired {
			errs = append(errs, field.Invalid(path, p.RestartPolicy, "must be 'NotRequired' when `restartPolicy` is 'Never'"))
		}
	}
	return errs
}
