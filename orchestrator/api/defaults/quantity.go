package defaults

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

type quantity = resource.Quantity

// roundUp rounds quantities up to whole thousandths, the finest the API keeps.
func roundUp(list v1.ResourceList) {
	for name, value := range list {
		value.RoundUp(resource.Milli)
		list[name] = value
	}
}

func roundUpBoth(r *v1.ResourceRequirements) {
	roundUp(r.Limits)
	roundUp(r.Requests)
}

func setNode(node *v1.Node) {
	roundUp(node.Status.Capacity)
	if node.Status.Allocatable == nil {
		node.Status.Allocatable = node.Status.Capacity.DeepCopy()
	}
	roundUp(node.Status.Allocatable)
	spec := &node.Spec
	switch {
	case spec.PodCIDR != "" && (len(spec.PodCIDRs) == 0 || spec.PodCIDRs[0] != spec.PodCIDR):
		spec.PodCIDRs = []string{spec.PodCIDR}
	case spec.PodCIDR == "" && len(spec.PodCIDRs) > 0:
		spec.PodCIDR = spec.PodCIDRs[0]
	}
}

func setResourceQuota(q *v1.ResourceQuota) {
	roundUp(q.Spec.Hard)
	roundUp(q.Status.Hard)
	roundUp(q.Status.Used)
}

func setLimitRange(r *v1.LimitRange) {
	each(r.Spec.Limits, setLimitRangeItem)
}

// setLimitRangeItem derives, for containers, the default limit from the maximum,
// and the default request from that limit or else from the minimum.
func setLimitRangeItem(item *v1.LimitRangeItem) {
	if item.Type == v1.LimitTypeContainer {
		if item.Default == nil {
			item.Default = v1.ResourceList{}
		}
		if item.DefaultRequest == nil {
			item.DefaultRequest = v1.ResourceList{}
		}
		addMissing(item.Default, item.Max)
		addMissing(item.DefaultRequest, item.Default)
		addMissing(item.DefaultRequest, item.Min)
	}
	for _, list := range []v1.ResourceList{item.Max, item.Min, item.Default, item.DefaultRequest, item.MaxLimitRequestRatio} {
		roundUp(list)
	}
}
