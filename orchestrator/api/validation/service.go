package validation

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
	"k8s.io/utils/ptr"
)

// msgLoadBalancerOnly forbids fields that only load balancers have.
const msgLoadBalancerOnly = "may only be used when `type` is 'LoadBalancer'"

// ValidateServiceCreate checks a new service.
func ValidateServiceCreate(s *v1.Service) field.ErrorList {
	errs := validateMeta(&s.ObjectMeta, true, apivalidation.NameIsDNS1035Label, field.NewPath("metadata"))
	return append(errs, validateService(s, nil)...)
}

// ValidateServiceUpdate checks a changed service: its addresses stay as long as
// it has one.
func ValidateServiceUpdate(s, old *v1.Service) field.ErrorList {
	errs := validateMetaUpdate(&s.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	errs = append(errs, validateClusterIPChange(old, s)...)
	errs = append(errs, validateIPFamilyChange(old, s)...)
	errs = append(errs, validateLoadBalancerClass(old, s)...)
	if NeedsHealthCheck(old) && NeedsHealthCheck(s) && s.Spec.HealthCheckNodePort != old.Spec.HealthCheckNodePort {
		errs = append(errs, field.Forbidden(field.NewPath("spec", "healthCheckNodePort"), msgImmutable))
	}
	return append(errs, validateService(s, old)...)
}

// ValidateServiceStatusUpdate checks a changed status of a service.
func ValidateServiceStatusUpdate(s, old *v1.Service) field.ErrorList {
	errs := validateMetaUpdate(&s.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	return append(errs, validateLoadBalancerStatus(s, old, field.NewPath("status", "loadBalancer", "ingress"))...)
}

// IsHeadless tells whether the service asks for no address.
func IsHeadless(s *v1.Service) bool {
	return len(s.Spec.ClusterIPs) == 1 && s.Spec.ClusterIPs[0] == v1.ClusterIPNone
}

// IsExternallyAccessible tells whether traffic from outside the cluster can
// reach the service.
func IsExternallyAccessible(s *v1.Service) bool {
	return s.Spec.Type == v1.ServiceTypeLoadBalancer || s.Spec.Type == v1.ServiceTypeNodePort ||
		s.Spec.Type == v1.ServiceTypeClusterIP && len(s.Spec.ExternalIPs) > 0
}

// NeedsHealthCheck tells whether load balancers ask nodes if they have endpoints.
func NeedsHealthCheck(s *v1.Service) bool {
	return s.Spec.Type == v1.ServiceTypeLoadBalancer && s.Spec.ExternalTrafficPolicy == v1.ServiceExternalTrafficPolicyLocal
}

func validateService(s, old *v1.Service) field.ErrorList {
	spec := field.NewPath("spec")
	errs := validateTopologyAnnotations(s)
	errs = append(errs, validateServiceType(s, spec)...)
	errs = append(errs, validateServicePorts(s, spec.Child("ports"))...)
	if s.Spec.Selector != nil {
		errs = append(errs, metav1validation.ValidateLabels(s.Spec.Selector, spec.Child("selector"))...)
	}
	errs = append(errs, validateSessionAffinity(s, spec)...)
	errs = append(errs, ValidateServiceClusterIPs(s, old)...)
	errs = append(errs, validateExternalIPs(s, old, spec.Child("externalIPs"))...)
	if s.Spec.Type == "" {
		errs = append(errs, field.Required(spec.Child("type"), ""))
	} else {
		errs = append(errs, oneOf(spec.Child("type"), s.Spec.Type, v1.ServiceTypeClusterIP, v1.ServiceTypeExternalName,
			v1.ServiceTypeLoadBalancer, v1.ServiceTypeNodePort)...)
	}
	errs = append(errs, validateServicePortsUnique(s, spec.Child("ports"))...)
	errs = append(errs, validateLoadBalancer(s, old, spec)...)
	errs = append(errs, validateLoadBalancerClass(nil, s)...)
	return append(errs, validateTrafficPolicies(s, spec)...)
}

func validateTopologyAnnotations(s *v1.Service) field.ErrorList {
	hints, hintsSet := s.Annotations[v1.DeprecatedAnnotationTopologyAwareHints]
	mode, modeSet := s.Annotations[v1.AnnotationTopologyMode]
	if !hintsSet || !modeSet || hints == mode {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("metadata", "annotations").Key(v1.AnnotationTopologyMode), mode,
		fmt.Sprintf("must match annotations[%s] when both are specified", v1.DeprecatedAnnotationTopologyAwareHints))}
}

// validateServiceType checks what each type must have and must not.
func validateServiceType(s *v1.Service, spec *field.Path) (errs field.ErrorList) {
	if len(s.Spec.Ports) == 0 && !IsHeadless(s) && s.Spec.Type != v1.ServiceTypeExternalName {
		errs = append(errs, field.Required(spec.Child("ports"), ""))
	}
	switch s.Spec.Type {
	case v1.ServiceTypeLoadBalancer, v1.ServiceTypeNodePort:
		if IsHeadless(s) {
			errs = append(errs, field.Invalid(spec.Child("clusterIPs").Index(0), s.Spec.ClusterIPs[0],
				fmt.Sprintf("may not be set to 'None' for %s services", s.Spec.Type)))
		}
	case v1.ServiceTypeExternalName:
		errs = append(errs, validateExternalName(s, spec)...)
	}
	return errs
}

func validateExternalName(s *v1.Service, spec *field.Path) (errs field.ErrorList) {
	const msg = "may not be set for ExternalName services"
	if len(s.Spec.ClusterIPs) > 0 {
		errs = append(errs, field.Forbidden(spec.Child("clusterIPs"), msg))
	}
	if len(s.Spec.IPFamilies) > 0 {
		errs = append(errs, field.Forbidden(spec.Child("ipFamilies"), msg))
	}
	if s.Spec.IPFamilyPolicy != nil {
		errs = append(errs, field.Forbidden(spec.Child("ipFamilyPolicy"), msg))
	}
	// A trailing dot marks the name as fully qualified.
	name := strings.TrimSuffix(s.Spec.ExternalName, ".")
	if name == "" {
		return append(errs, field.Required(spec.Child("externalName"), ""))
	}
	return append(errs, validateDNSSubdomain(name, spec.Child("externalName"))...)
}

func validateServicePorts(s *v1.Service, path *field.Path) (errs field.ErrorList) {
	names := map[string]bool{}
	for i := range s.Spec.Ports {
		errs = append(errs, validateServicePort(&s.Spec.Ports[i], len(s.Spec.Ports) > 1, names, path.Index(i))...)
	}
	return errs
}

func validateServicePort(p *v1.ServicePort, named bool, names map[string]bool, path *field.Path) (errs field.ErrorList) {
	switch {
	case p.Name != "":
		errs = append(errs, validateDNSLabel(p.Name, path.Child("name"))...)
		if names[p.Name] {
			errs = append(errs, field.Duplicate(path.Child("name"), p.Name))
		}
		names[p.Name] = true
	case named:
		errs = append(errs, field.Required(path.Child("name"), ""))
	}
	errs = append(errs, validatePort(p.Port, path.Child("port"))...)
	errs = append(errs, validateProtocol(p.Protocol, path.Child("protocol"))...)
	errs = append(errs, validatePortNumberOrName(p.TargetPort, path.Child("targetPort"))...)
	if p.AppProtocol != nil {
		errs = append(errs, validateQualifiedName(*p.AppProtocol, path.Child("appProtocol"))...)
	}
	return errs
}

// validateServicePortsUnique checks that no port and no node port is given
// twice for one protocol.
func validateServicePortsUnique(s *v1.Service, path *field.Path) (errs field.ErrorList) {
	if s.Spec.Type == v1.ServiceTypeClusterIP {
		for i, p := range s.Spec.Ports {
			if p.NodePort != 0 {
				errs = append(errs, field.Forbidden(path.Index(i).Child("nodePort"), "may not be used when `type` is 'ClusterIP'"))
			}
		}
	}
	nodePorts, ports := map[v1.ServicePort]bool{}, map[v1.ServicePort]bool{}
	for i, p := range s.Spec.Ports {
		if key := (v1.ServicePort{Protocol: p.Protocol, NodePort: p.NodePort}); p.NodePort != 0 {
			if nodePorts[key] {
				errs = append(errs, field.Duplicate(path.Index(i).Child("nodePort"), p.NodePort))
			}
			nodePorts[key] = true
		}
	}
	for i, p := range s.Spec.Ports {
		key := v1.ServicePort{Protocol: p.Protocol, Port: p.Port}
		if ports[key] {
			errs = append(errs, field.Duplicate(path.Index(i), key))
		}
		ports[key] = true
	}
	return errs
}

func validateSessionAffinity(s *v1.Service, spec *field.Path) (errs field.ErrorList) {
	kind, config := s.Spec.SessionAffinity, s.Spec.SessionAffinityConfig
	if kind == "" {
		return field.ErrorList{field.Required(spec.Child("sessionAffinity"), "")}
	}
	errs = oneOf(spec.Child("sessionAffinity"), kind, v1.ServiceAffinityClientIP, v1.ServiceAffinityNone)
	path := spec.Child("sessionAffinityConfig")
	switch {
	case kind == v1.ServiceAffinityClientIP:
		errs = append(errs, validateClientIPAffinity(config, path)...)
	case kind == v1.ServiceAffinityNone && config != nil:
		errs = append(errs, field.Forbidden(path, fmt.Sprintf("must not be set when session affinity is %s", v1.ServiceAffinityNone)))
	}
	return errs
}

func validateClientIPAffinity(config *v1.SessionAffinityConfig, path *field.Path) field.ErrorList {
	const maxSeconds = 86400
	missing := fmt.Sprintf("when session affinity type is %s", v1.ServiceAffinityClientIP)
	switch {
	case config == nil:
		return field.ErrorList{field.Required(path, missing)}
	case config.ClientIP == nil:
		return field.ErrorList{field.Required(path.Child("clientIP"), missing)}
	case config.ClientIP.TimeoutSeconds == nil:
		return field.ErrorList{field.Required(path.Child("clientIP", "timeoutSeconds"), missing)}
	}
	if seconds := config.ClientIP.TimeoutSeconds; *seconds <= 0 || *seconds > maxSeconds {
		return field.ErrorList{field.Invalid(path.Child("clientIP", "timeoutSeconds"), seconds,
			fmt.Sprintf("must be greater than 0 and less than %d", maxSeconds))}
	}
	return nil
}

func validateExternalIPs(s, old *v1.Service, path *field.Path) (errs field.ErrorList) {
	var existing []string
	if old != nil {
		existing = old.Spec.ExternalIPs
	}
	for i, ip := range s.Spec.ExternalIPs {
		if e := validateLegacyIP(ip, existing, path.Index(i)); len(e) > 0 {
			errs = append(errs, e...)
		} else {
			errs = append(errs, validateEndpointIP(ip, path.Index(i))...)
		}
	}
	return errs
}

// validateLoadBalancer checks the fields of load balancers.
func validateLoadBalancer(s, old *v1.Service, spec *field.Path) (errs field.ErrorList) {
	balanced := s.Spec.Type == v1.ServiceTypeLoadBalancer
	errs = append(errs, validateSourceRanges(s, old, spec.Child("LoadBalancerSourceRanges"))...)
	switch allocate := s.Spec.AllocateLoadBalancerNodePorts; {
	case allocate != nil && !balanced:
		errs = append(errs, field.Forbidden(spec.Child("allocateLoadBalancerNodePorts"), msgLoadBalancerOnly))
	case allocate == nil && balanced:
		errs = append(errs, field.Required(field.NewPath("allocateLoadBalancerNodePorts"), ""))
	}
	return errs
}

// validateSourceRanges checks the ranges in the field or, without it, in the
// annotation. Ranges that the service had before need no correction.
func validateSourceRanges(s, old *v1.Service, path *field.Path) (errs field.ErrorList) {
	ranges, annotation := s.Spec.LoadBalancerSourceRanges, s.Annotations[v1.AnnotationLoadBalancerSourceRangesKey]
	_, annotated := s.Annotations[v1.AnnotationLoadBalancerSourceRangesKey]
	inField := len(ranges) > 0
	switch {
	case !inField && !annotated:
		return nil
	case !inField:
		path = field.NewPath("metadata", "annotations").Key(v1.AnnotationLoadBalancerSourceRangesKey)
		if strings.TrimSpace(annotation) != "" {
			ranges = strings.Split(annotation, ",")
		}
	}
	if s.Spec.Type != v1.ServiceTypeLoadBalancer {
		errs = append(errs, field.Forbidden(path, msgLoadBalancerOnly))
	}
	if !inField && old != nil && old.Annotations[v1.AnnotationLoadBalancerSourceRangesKey] == annotation {
		return errs
	}
	var existing []string
	if inField && old != nil {
		for _, r := range old.Spec.LoadBalancerSourceRanges {
			existing = append(existing, strings.TrimSpace(r))
		}
	}
	for i, r := range ranges {
		at := path
		if inField {
			at = path.Index(i)
		}
		errs = append(errs, validation.IsValidCIDRForLegacyField(at, strings.TrimSpace(r), false, existing)...)
	}
	return errs
}

func validateLoadBalancerClass(old, s *v1.Service) field.ErrorList {
	path, class := field.NewPath("spec", "loadBalancerClass"), s.Spec.LoadBalancerClass
	if s.Spec.Type != v1.ServiceTypeLoadBalancer {
		if class != nil {
			return field.ErrorList{field.Forbidden(path, msgLoadBalancerOnly)}
		}
		return nil
	}
	var errs field.ErrorList
	if old != nil && old.Spec.Type == v1.ServiceTypeLoadBalancer && !ptr.Equal(old.Spec.LoadBalancerClass, class) {
		errs = append(errs, field.Invalid(path, class, "may not change once set"))
	}
	if class != nil {
		errs = append(errs, validateQualifiedName(*class, path)...)
	}
	return errs
}

func validateTrafficPolicies(s *v1.Service, spec *field.Path) (errs field.ErrorList) {
	errs = validateExternalTrafficPolicy(s, spec)
	internal := spec.Child("internalTrafficPolicy")
	switch policy := s.Spec.InternalTrafficPolicy; {
	case policy != nil:
		errs = append(errs, oneOf(internal, *policy, v1.ServiceInternalTrafficPolicyCluster, v1.ServiceInternalTrafficPolicyLocal)...)
	case s.Spec.Type == v1.ServiceTypeNodePort || s.Spec.Type == v1.ServiceTypeLoadBalancer || s.Spec.Type == v1.ServiceTypeClusterIP:
		errs = append(errs, field.Required(internal, ""))
	}
	if d := s.Spec.TrafficDistribution; d != nil {
		errs = append(errs, oneOf(spec.Child("trafficDistribution"), *d, v1.ServiceTrafficDistributionPreferClose,
			v1.ServiceTrafficDistributionPreferSameNode, v1.ServiceTrafficDistributionPreferSameZone)...)
	}
	return errs
}

func validateExternalTrafficPolicy(s *v1.Service, spec *field.Path) (errs field.ErrorList) {
	path, policy := spec.Child("externalTrafficPolicy"), s.Spec.ExternalTrafficPolicy
	switch {
	case !IsExternallyAccessible(s):
		if policy != "" {
			errs = append(errs, field.Invalid(path, policy, "may only be set for externally-accessible services"))
		}
	case policy == "":
		errs = append(errs, field.Required(path, ""))
	default:
		errs = append(errs, oneOf(path, policy, v1.ServiceExternalTrafficPolicyCluster, v1.ServiceExternalTrafficPolicyLocal)...)
	}
	path = spec.Child("healthCheckNodePort")
	switch port := s.Spec.HealthCheckNodePort; {
	case !NeedsHealthCheck(s):
		if port != 0 {
			errs = append(errs, field.Invalid(path, port, "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"))
		}
	case port == 0:
		errs = append(errs, field.Required(path, ""))
	default:
		errs = append(errs, validatePort(port, path)...)
	}
	return errs
}

func validateLoadBalancerStatus(s, old *v1.Service, path *field.Path) (errs field.ErrorList) {
	ingress := s.Status.LoadBalancer.Ingress
	if s.Spec.Type != v1.ServiceTypeLoadBalancer && len(ingress) > 0 {
		return field.ErrorList{field.Forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")}
	}
	var existing []string
	for _, in := range old.Status.LoadBalancer.Ingress {
		existing = append(existing, in.IP)
	}
	for i := range ingress {
		errs = append(errs, validateIngress(&ingress[i], existing, path.Index(i))...)
	}
	return errs
}

func validateIngress(in *v1.LoadBalancerIngress, existing []string, path *field.Path) (errs field.ErrorList) {
	if in.IP != "" {
		errs = append(errs, validateLegacyIP(in.IP, existing, path.Child("ip"))...)
	}
	mode := path.Child("ipMode")
	switch {
	case in.IPMode == nil && in.IP != "":
		errs = append(errs, field.Required(mode, "must be specified when `ip` is set"))
	case in.IPMode != nil && in.IP == "":
		errs = append(errs, field.Forbidden(mode, "may not be specified when `ip` is not set"))
	case in.IPMode != nil:
		errs = append(errs, oneOf(mode, *in.IPMode, v1.LoadBalancerIPModeProxy, v1.LoadBalancerIPModeVIP)...)
	}
	if in.Hostname != "" {
		errs = append(errs, validateDNSSubdomain(in.Hostname, path.Child("hostname"))...)
		if netutils.ParseIPSloppy(in.Hostname) != nil {
			errs = append(errs, field.Invalid(path.Child("hostname"), in.Hostname, "must be a DNS name, not an IP address"))
		}
	}
	return errs
}
