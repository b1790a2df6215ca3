package validation

import (
	"math"
	"slices"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// specCheck is the check of one pod spec, and what its parts need to know of
// the others.
type specCheck struct {
	spec *v1.PodSpec
	// meta is the metadata of the pod; nil when the spec is a template's.
	meta *metav1.ObjectMeta
	// isPod tells that the spec is a pod's own, not a template's.
	isPod bool
	// volumes are the valid volumes by name.
	volumes map[string]*v1.VolumeSource
	// claims are the names of the spec's resource claims.
	claims []string
}

// validatePodSpec checks a pod's spec, or with nil meta a template's.
func validatePodSpec(spec *v1.PodSpec, meta *metav1.ObjectMeta, path *field.Path) field.ErrorList {
	c := &specCheck{spec: spec, meta: meta, isPod: meta != nil}
	var errs field.ErrorList
	if spec.TerminationGracePeriodSeconds == nil {
		errs = append(errs, field.Required(path.Child("terminationGracePeriodSeconds"), ""))
	}
	// Volumes come first: containers are checked against the valid ones.
	volumes := c.validateVolumes(path.Child("volumes"))
	claims := c.validateResourceClaims(path.Child("resourceClaims"))
	return slices.Concat(errs, volumes, claims,
		c.validateContainers(path.Child("containers")),
		c.validateInitContainers(path.Child("initContainers")),
		c.validateEphemeralContainers(path.Child("ephemeralContainers")),
		c.validatePodResources(path.Child("resources")),
		c.validateHostNetworkPorts(path.Child("containers")),
		c.validatePolicies(path),
		metavalidation.ValidateLabels(spec.NodeSelector, path.Child("nodeSelector")),
		validatePodSecurity(spec, path.Child("securityContext")),
		validateAffinity(spec.Affinity, path.Child("affinity")),
		validateDNSConfig(spec, path.Child("dnsConfig")),
		validateGates(spec, path),
		validateSpreadConstraints(spec.TopologySpreadConstraints, path.Child("topologySpreadConstraints")),
		c.validateHostProcess(path),
		c.validateHostUsers(path),
		validateHostnames(spec, path),
		validatePodNames(spec, path),
		c.validateRest(path),
		c.validateOS(path),
		c.validateFileKeyVolumes(path),
	)
}

// validatePolicies checks restart and DNS policy.
func (c *specCheck) validatePolicies(path *field.Path) field.ErrorList {
	restart, dns := path.Child("restartPolicy"), path.Child("dnsPolicy")
	return slices.Concat(
		requiredOneOf(restart, c.spec.RestartPolicy, v1.RestartPolicyAlways, v1.RestartPolicyOnFailure, v1.RestartPolicyNever),
		requiredOneOf(dns, c.spec.DNSPolicy, v1.DNSClusterFirstWithHostNet, v1.DNSClusterFirst, v1.DNSDefault, v1.DNSNone))
}

// validateHostNetworkPorts checks that on the host's network the ports of host
// and container are the same. A template may leave the former out.
func (c *specCheck) validateHostNetworkPorts(path *field.Path) (errs field.ErrorList) {
	if !c.spec.HostNetwork {
		return nil
	}
	for i := range c.spec.Containers {
		for j, port := range c.spec.Containers[i].Ports {
			if port.HostPort == port.ContainerPort || port.HostPort == 0 && !c.isPod {
				continue
			}
			at := path.Index(i).Child("ports").Index(j).Child("hostPort")
			errs = append(errs, field.Invalid(at, port.HostPort, "must match `containerPort` when `hostNetwork` is true"))
		}
	}
	return errs
}

// validateGates checks readiness and scheduling gates.
func validateGates(spec *v1.PodSpec, path *field.Path) (errs field.ErrorList) {
	for i, gate := range spec.ReadinessGates {
		errs = append(errs, validateQualifiedName(string(gate.ConditionType), path.Child("readinessGates").Index(i).Child("conditionType"))...)
	}
	seen := map[string]bool{}
	for i, gate := range spec.SchedulingGates {
		at := path.Child("schedulingGates").Index(i)
		errs = append(errs, validateQualifiedName(gate.Name, at)...)
		if seen[gate.Name] {
			errs = append(errs, field.Duplicate(at, gate.Name))
		}
		seen[gate.Name] = true
	}
	return errs
}

// validateHostnames checks the host name that overrides all others.
func validateHostnames(spec *v1.PodSpec, path *field.Path) (errs field.ErrorList) {
	if spec.HostnameOverride == nil {
		return nil
	}
	path = path.Child("hostnameOverride")
	if spec.SetHostnameAsFQDN != nil && *spec.SetHostnameAsFQDN {
		errs = append(errs, field.Forbidden(path, "may not be specified when setHostnameAsFQDN is true"))
	}
	if spec.HostNetwork {
		errs = append(errs, field.Forbidden(path, "may not be specified when hostNetwork is true"))
	}
	if len(*spec.HostnameOverride) > 64 {
		errs = append(errs, field.TooLong(path, "", 64))
	}
	return append(errs, validateDNSSubdomain(*spec.HostnameOverride, path)...)
}

// validatePodNames checks the names of other objects, and the deadline.
func validatePodNames(spec *v1.PodSpec, path *field.Path) (errs field.ErrorList) {
	if spec.ServiceAccountName != "" {
		errs = append(errs, validateName(spec.ServiceAccountName, apivalidation.ValidateServiceAccountName, path.Child("serviceAccountName"))...)
	}
	if spec.NodeName != "" {
		errs = append(errs, validateName(spec.NodeName, apivalidation.NameIsDNSSubdomain, path.Child("nodeName"))...)
	}
	if d := spec.ActiveDeadlineSeconds; d != nil && (*d < 1 || *d > math.MaxInt32) {
		errs = append(errs, field.Invalid(path.Child("activeDeadlineSeconds"), *d, validation.InclusiveRangeError(1, math.MaxInt32)))
	}
	if spec.Hostname != "" {
		errs = append(errs, validateDNSLabel(spec.Hostname, path.Child("hostname"))...)
	}
	if spec.Subdomain != "" {
		errs = append(errs, validateDNSLabel(spec.Subdomain, path.Child("subdomain"))...)
	}
	return errs
}

// validateRest checks tolerations, host aliases, priority, runtime class and
// overhead.
func (c *specCheck) validateRest(path *field.Path) field.ErrorList {
	spec := c.spec
	errs := slices.Concat(
		validateTolerations(spec.Tolerations, path.Child("tolerations")),
		validateHostAliases(spec.HostAliases, path.Child("hostAliases")))
	if spec.PriorityClassName != "" {
		errs = append(errs, validateName(spec.PriorityClassName, apivalidation.NameIsDNSSubdomain, path.Child("priorityClassName"))...)
	}
	if spec.RuntimeClassName != nil {
		errs = append(errs, validateName(*spec.RuntimeClassName, apivalidation.NameIsDNSSubdomain, path.Child("runtimeClassName"))...)
	}
	if spec.PreemptionPolicy != nil {
		errs = append(errs, validatePreemptionPolicy(*spec.PreemptionPolicy, path.Child("preemptionPolicy"))...)
	}
	if spec.Overhead != nil {
		errs = append(errs, c.validateContainerResources(&v1.ResourceRequirements{Limits: spec.Overhead}, path.Child("overhead"))...)
	}
	return errs
}

func validatePreemptionPolicy(policy v1.PreemptionPolicy, path *field.Path) field.ErrorList {
	return requiredOneOf(path, policy, v1.PreemptLowerPriority, v1.PreemptNever)
}

// requiredOneOf checks that a value is there and one of those supported, which
// errors list in the order given.
func requiredOneOf[T ~string](path *field.Path, value T, supported ...T) field.ErrorList {
	switch {
	case value == "":
		return field.ErrorList{field.Required(path, "")}
	case !slices.Contains(supported, value):
		return field.ErrorList{field.NotSupported(path, value, supported)}
	}
	return nil
}

// visitContainers calls visit with each init, ordinary and ephemeral container
// of a spec at path.
func visitContainers(spec *v1.PodSpec, path *field.Path, visit func(*v1.Container, *field.Path)) {
	for i := range spec.InitContainers {
		visit(&spec.InitContainers[i], path.Child("initContainers").Index(i))
	}
	for i := range spec.Containers {
		visit(&spec.Containers[i], path.Child("containers").Index(i))
	}
	for i := range spec.EphemeralContainers {
		c := (*v1.Container)(&spec.EphemeralContainers[i].EphemeralContainerCommon)
		visit(c, path.Child("ephemeralContainers").Index(i))
	}
}
