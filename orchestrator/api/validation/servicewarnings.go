package validation

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ServiceWarnings are what the client should be told about a service that is
// valid and yet hardly what was meant.
func ServiceWarnings(s *v1.Service) []string {
	var w warnings
	if _, ok := s.Annotations[v1.DeprecatedAnnotationTopologyAwareHints]; ok {
		w.add("annotation %s is deprecated, please use %s instead", v1.DeprecatedAnnotationTopologyAwareHints, v1.AnnotationTopologyMode)
	}
	spec := field.NewPath("spec")
	if s.Spec.ClusterIP != "" && s.Spec.ClusterIP != v1.ClusterIPNone {
		w.addIPs(s.Spec.ClusterIPs, spec.Child("clusterIPs"))
	}
	if s.Spec.Type == v1.ServiceTypeClusterIP && s.Spec.ClusterIP == v1.ClusterIPNone {
		w.addHeadless(s)
	}
	w.addIPs(s.Spec.ExternalIPs, spec.Child("externalIPs"))
	if s.Spec.LoadBalancerIP != "" {
		w = append(w, validation.GetWarningsForIP(spec.Child("loadBalancerIP"), s.Spec.LoadBalancerIP)...)
	}
	for i, cidr := range s.Spec.LoadBalancerSourceRanges {
		w = append(w, validation.GetWarningsForCIDR(spec.Child("loadBalancerSourceRanges").Index(i), cidr)...)
	}
	if s.Spec.Type == v1.ServiceTypeExternalName && len(s.Spec.ExternalIPs) > 0 {
		w.add("spec.externalIPs is ignored when spec.type is %q", v1.ServiceTypeExternalName)
	}
	if s.Spec.Type != v1.ServiceTypeExternalName && s.Spec.ExternalName != "" {
		w.add("spec.externalName is ignored when spec.type is not %q", v1.ServiceTypeExternalName)
	}
	return w
}

func (w *warnings) addIPs(ips []string, path *field.Path) {
	for i, ip := range ips {
		*w = append(*w, validation.GetWarningsForIP(path.Index(i), ip)...)
	}
}

func (w *warnings) addHeadless(s *v1.Service) {
	for _, ignored := range []struct {
		name string
		set  bool
	}{
		{"loadBalancerIP", s.Spec.LoadBalancerIP != ""},
		{"externalIPs", len(s.Spec.ExternalIPs) > 0},
		{"SessionAffinity", s.Spec.SessionAffinity != v1.ServiceAffinityNone},
	} {
		if ignored.set {
			w.add("spec.%s is ignored for headless services", ignored.name)
		}
	}
}
