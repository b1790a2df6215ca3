package quota

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	quotav1 "k8s.io/apiserver/pkg/quota/v1"
)

const countServices corev1.ResourceName = "count/services"

func services(lister quotav1.ListerForResourceFunc) quotav1.Evaluator {
	e := newEvaluator(lister, "services")
	e.handles = func(a admission.Attributes) bool {
		return a.GetSubresource() == "" && (a.GetOperation() == admission.Create || a.GetOperation() == admission.Update)
	}
	e.names = func(input []corev1.ResourceName) []corev1.ResourceName {
		return quotav1.Intersection(input, []corev1.ResourceName{
			countServices, corev1.ResourceServices, corev1.ResourceServicesNodePorts, corev1.ResourceServicesLoadBalancers,
		})
	}
	e.usage = func(item runtime.Object) (corev1.ResourceList, error) {
		service, ok := item.(*corev1.Service)
		if !ok {
			return nil, unexpected("service", item)
		}
		return serviceUsage(service), nil
	}
	return e
}

// serviceUsage goes by what the service asks for: its node ports may not have
// been given out yet.
func serviceUsage(s *corev1.Service) corev1.ResourceList {
	count := func(n int) resource.Quantity { return *resource.NewQuantity(int64(n), resource.DecimalSI) }
	usage := corev1.ResourceList{
		countServices:                        count(1),
		corev1.ResourceServices:              count(1),
		corev1.ResourceServicesLoadBalancers: count(0),
		corev1.ResourceServicesNodePorts:     count(0),
	}
	switch s.Spec.Type {
	case corev1.ServiceTypeNodePort:
		usage[corev1.ResourceServicesNodePorts] = count(len(s.Spec.Ports))
	case corev1.ServiceTypeLoadBalancer:
		usage[corev1.ResourceServicesLoadBalancers] = count(1)
		usage[corev1.ResourceServicesNodePorts] = count(balancerNodePorts(s))
	}
	return usage
}

func balancerNodePorts(s *corev1.Service) int {
	if allocate := s.Spec.AllocateLoadBalancerNodePorts; allocate == nil || *allocate {
		return len(s.Spec.Ports)
	}
	explicit := 0
	for _, p := range s.Spec.Ports {
		if p.NodePort != 0 {
			explicit++
		}
	}
	return explicit
}
