package podutil

import (
	v1 "k8s.io/api/core/v1"
)

// QOS returns the quality of service class of a pod: the one its status
// records, which never changes, or else the one its spec amounts to.
func QOS(pod *v1.Pod) v1.PodQOSClass {
	if pod.Status.QOSClass != "" {
		return pod.Status.QOSClass
	}
	return ComputeQOS(pod)
}

// ComputeQOS returns the class that the spec of a pod amounts to. Only cpu and
// memory count, and only quantities above zero: BestEffort when there are none,
// Guaranteed when every container has both limits and all requests equal them,
// Burstable otherwise. Resources of the pod as a whole, where given, decide
// instead of those of its containers. Ephemeral containers have no resources.
func ComputeQOS(pod *v1.Pod) v1.PodQOSClass {
	var sum qosSum
	sum.allLimited = true
	if whole := pod.Spec.Resources; whole != nil {
		sum.add(whole.Requests, whole.Limits)
	} else {
		for i := range pod.Spec.Containers {
			r := &pod.Spec.Containers[i].Resources
			sum.add(r.Requests, r.Limits)
		}
		for i := range pod.Spec.InitContainers {
			r := &pod.Spec.InitContainers[i].Resources
			sum.add(r.Requests, r.Limits)
		}
	}
	return sum.class()
}

// qosSum adds up the resources that decide the class.
type qosSum struct {
	requests, limits [2]quantitySum // cpu, memory
	allLimited       bool           // every container had both limits
}

func (s *qosSum) add(requests, limits v1.ResourceList) {
	for i, name := range [2]v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory} {
		s.requests[i].add(requests, name)
		if !s.limits[i].add(limits, name) {
			s.allLimited = false
		}
	}
}

func (s *qosSum) class() v1.PodQOSClass {
	var given int
	guaranteed := s.allLimited
	for i := range s.requests {
		request, limit := &s.requests[i], &s.limits[i]
		if request.present || limit.present {
			given++
		}
		if request.present != limit.present || request.total.Cmp(limit.total) != 0 {
			guaranteed = false
		}
	}
	switch {
	case given == 0:
		return v1.PodQOSBestEffort
	case guaranteed:
		return v1.PodQOSGuaranteed
	}
	return v1.PodQOSBurstable
}
