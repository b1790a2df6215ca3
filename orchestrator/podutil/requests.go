package podutil

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
)

// Requests returns what a pod asks of a node: the larger of its running
// containers together (sidecars included) and its most demanding moment of
// initialisation, plus its overhead. The list is the caller's own.
func Requests(pod *v1.Pod) v1.ResourceList {
	return resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
}

// Limits returns the limits of a pod by the same rule as Requests. A resource
// that only some containers limit is listed with the sum of those.
func Limits(pod *v1.Pod) v1.ResourceList {
	return resourcehelper.PodLimits(pod, resourcehelper.PodResourcesOptions{})
}

// Limited tells whether every container of a pod has a limit of the resource
// above zero, or the pod as a whole has, so that Limits bounds the whole pod.
func Limited(pod *v1.Pod, name v1.ResourceName) bool {
	if pod.Spec.Resources != nil {
		if limit, ok := pod.Spec.Resources.Limits[name]; ok && limit.Sign() > 0 {
			return true
		}
	}
	return allLimit(pod.Spec.Containers, name) && allLimit(pod.Spec.InitContainers, name)
}

func allLimit(containers []v1.Container, name v1.ResourceName) bool {
	for i := range containers {
		if limit, ok := containers[i].Resources.Limits[name]; !ok || limit.Sign() <= 0 {
			return false
		}
	}
	return true
}

// quantitySum is a sum of quantities that are above zero.
type quantitySum struct {
	total   resource.Quantity
	present bool
}

// add adds the quantity of that name and tells whether there was one above zero.
func (s *quantitySum) add(list v1.ResourceList, name v1.ResourceName) bool {
	quantity, ok := list[name]
	if !ok || quantity.Sign() <= 0 {
		return false
	}
	s.total.Add(quantity)
	s.present = true
	return true
}
