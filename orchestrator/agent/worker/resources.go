package worker

import (
	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// How Kubernetes' cpu units become the kernel's.
const (
	cpuPeriod     = 100_000 // microseconds
	minCPUQuota   = 1_000   // microseconds: the kernel takes no less
	sharesPerCPU  = 1024
	minShares     = 2
	maxShares     = 262_144
	milliPerCPU   = 1000
	oomGuaranteed = -997
	oomBestEffort = 1000
)

// cpuShares is the weight for a request in thousandths of a CPU.
func cpuShares(milli int64) int64 {
	return min(max(milli*sharesPerCPU/milliPerCPU, minShares), maxShares)
}

// cpuQuota is the time for a limit in thousandths of a CPU, each cpuPeriod; 0
// is no limit.
func cpuQuota(milli int64) int64 {
	if milli <= 0 {
		return 0
	}
	return max(milli*cpuPeriod/milliPerCPU, minCPUQuota)
}

// containerResources are the limits of one container. Where the container says
// nothing, a limit of the pod as a whole holds.
func (o *Options) containerResources(pod *v1.Pod, container *v1.Container) *cri.LinuxContainerResources {
	limits := container.Resources.Limits
	cpu, memory := limits.Cpu().MilliValue(), limits.Memory().Value()
	if whole := pod.Spec.Resources; whole != nil {
		if cpu == 0 {
			cpu = whole.Limits.Cpu().MilliValue()
		}
		if memory == 0 {
			memory = whole.Limits.Memory().Value()
		}
	}
	request, requested := container.Resources.Requests[v1.ResourceCPU]
	weight := request.MilliValue()
	if !requested {
		weight = cpu
	}
	return &cri.LinuxContainerResources{
		CpuShares: cpuShares(weight), CpuPeriod: cpuPeriod, CpuQuota: cpuQuota(cpu),
		MemoryLimitInBytes: memory, OomScoreAdj: o.oomScore(pod, container),
	}
}

// Priorities from which on the kernel must spare a pod as long as it can.
const nodeCritical = 2_000_001_000

// oomScore is the container's oom_score_adj: the less of the node's memory it
// asked for, the sooner it goes.
func (o *Options) oomScore(pod *v1.Pod, container *v1.Container) int64 {
	class := podutil.QOS(pod)
	switch {
	case class == v1.PodQOSGuaranteed, podutil.Priority(pod) >= nodeCritical:
		return oomGuaranteed
	case class == v1.PodQOSBestEffort || o.MemoryBytes <= 0:
		return oomBestEffort
	}
	request := container.Resources.Requests.Memory().Value()
	if podutil.IsSidecar(container) {
		// A sidecar does not go before the containers that it serves.
		request = max(request, leastRequest(pod))
	}
	return min(max(oomBestEffort-oomBestEffort*request/o.MemoryBytes, oomBestEffort+oomGuaranteed), oomBestEffort-1)
}

func leastRequest(pod *v1.Pod) int64 {
	least := int64(-1)
	for i := range pod.Spec.Containers {
		if m := pod.Spec.Containers[i].Resources.Requests.Memory().Value(); least < 0 || m < least {
			least = m
		}
	}
	return max(least, 0)
}
