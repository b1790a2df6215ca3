package defaults

import (
	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func setService(s *v1.Service) {
	spec := &s.Spec
	orDefault(&spec.Type, v1.ServiceTypeClusterIP)
	setSessionAffinity(spec)
	each(spec.Ports, setServicePort)
	if isExternal(spec) {
		orDefault(&spec.ExternalTrafficPolicy, v1.ServiceExternalTrafficPolicyCluster)
	}
	switch spec.Type {
	case v1.ServiceTypeNodePort, v1.ServiceTypeLoadBalancer, v1.ServiceTypeClusterIP:
		orNew(&spec.InternalTrafficPolicy, v1.ServiceInternalTrafficPolicyCluster)
	}
	if spec.Type == v1.ServiceTypeLoadBalancer {
		orNew(&spec.AllocateLoadBalancerNodePorts, true)
		each(s.Status.LoadBalancer.Ingress, func(in *v1.LoadBalancerIngress) {
			if in.IP != "" {
				orNew(&in.IPMode, v1.LoadBalancerIPModeVIP)
			}
		})
	}
}

func setSessionAffinity(spec *v1.ServiceSpec) {
	orDefault(&spec.SessionAffinity, v1.ServiceAffinityNone)
	config := spec.SessionAffinityConfig
	switch spec.SessionAffinity {
	case v1.ServiceAffinityNone:
		spec.SessionAffinityConfig = nil
	case v1.ServiceAffinityClientIP:
		if config == nil || config.ClientIP == nil || config.ClientIP.TimeoutSeconds == nil {
			timeout := v1.DefaultClientIPServiceAffinitySeconds
			spec.SessionAffinityConfig = &v1.SessionAffinityConfig{ClientIP: &v1.ClientIPConfig{TimeoutSeconds: &timeout}}
		}
	}
}

func setServicePort(p *v1.ServicePort) {
	orDefault(&p.Protocol, v1.ProtocolTCP)
	if p.TargetPort == intstr.FromInt32(0) || p.TargetPort == intstr.FromString("") {
		p.TargetPort = intstr.FromInt32(p.Port)
	}
}

// isExternal tells whether a service is reachable from outside the cluster.
func isExternal(spec *v1.ServiceSpec) bool {
	return spec.Type == v1.ServiceTypeLoadBalancer || spec.Type == v1.ServiceTypeNodePort ||
		spec.Type == v1.ServiceTypeClusterIP && len(spec.ExternalIPs) > 0
}

func setEndpoints(e *v1.Endpoints) {
	each(e.Subsets, func(s *v1.EndpointSubset) {
		each(s.Ports, func(p *v1.EndpointPort) { orDefault(&p.Protocol, v1.ProtocolTCP) })
	})
}

func setEndpointSlice(s *discoveryv1.EndpointSlice) {
	each(s.Ports, func(p *discoveryv1.EndpointPort) {
		orNew(&p.Name, "")
		orNew(&p.Protocol, v1.ProtocolTCP)
	})
}
