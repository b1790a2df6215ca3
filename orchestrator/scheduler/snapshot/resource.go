package snapshot

import (
	"maps"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
)

// What a container that asks for nothing is taken to need when nodes are
// scored, so that such pods are spread too: 100 millicores, 200 MiB.
const (
	defaultMilliCPU = 100
	defaultMemory   = 200 << 20
)

// Resource is an amount of each resource: CPU in millicores, memory and
// ephemeral storage in bytes, everything else in its own unit.
type Resource struct {
	MilliCPU  int64
	Memory    int64
	Ephemeral int64
	Extended  map[v1.ResourceName]int64 // nil when there are none
}

// NewResource reads a resource list; the number of pods is not part of it.
func NewResource(list v1.ResourceList) Resource {
	var r Resource
	for name, quantity := range list {
		switch name {
		case v1.ResourceCPU:
			r.MilliCPU = quantity.MilliValue()
		case v1.ResourceMemory:
			r.Memory = quantity.Value()
		case v1.ResourceEphemeralStorage:
			r.Ephemeral = quantity.Value()
		case v1.ResourcePods, v1.ResourceStorage:
		default:
			if r.Extended == nil {
				r.Extended = map[v1.ResourceName]int64{}
			}
			r.Extended[name] = quantity.Value()
		}
	}
	return r
}

// Add adds o times sign, which is 1 or -1.
func (r *Resource) Add(o *Resource, sign int64) {
	r.MilliCPU += sign * o.MilliCPU
	r.Memory += sign * o.Memory
	r.Ephemeral += sign * o.Ephemeral
	if len(o.Extended) == 0 {
		return
	}
	if r.Extended == nil {
		r.Extended = make(map[v1.ResourceName]int64, len(o.Extended))
	}
	for name, n := range o.Extended {
		r.Extended[name] += sign * n
	}
}

// Clone returns a copy that shares nothing.
func (r *Resource) Clone() Resource {
	c := Resource{MilliCPU: r.MilliCPU, Memory: r.Memory, Ephemeral: r.Ephemeral}
	if len(r.Extended) > 0 {
		c.Extended = maps.Clone(r.Extended)
	}
	return c
}

// IsZero says that nothing is asked for.
func (r *Resource) IsZero() bool {
	return r.MilliCPU == 0 && r.Memory == 0 && r.Ephemeral == 0 && len(r.Extended) == 0
}

// podRequests returns what the pod asks for (init containers, sidecars and
// overhead as the API defines it), and the same with the defaults for scoring.
func podRequests(pod *v1.Pod) (requests, nonZero Resource) {
	requests = NewResource(resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{}))
	nonZero = NewResource(resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{
		NonMissingContainerRequests: v1.ResourceList{
			v1.ResourceCPU:    *resource.NewMilliQuantity(defaultMilliCPU, resource.DecimalSI),
			v1.ResourceMemory: *resource.NewQuantity(defaultMemory, resource.BinarySI),
		},
	}))
	nonZero.Ephemeral, nonZero.Extended = 0, nil
	for name, n := range requests.Extended {
		if n == 0 {
			delete(requests.Extended, name)
		}
	}
	return requests, nonZero
}
