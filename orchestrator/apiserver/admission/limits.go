package admission

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	resourcehelper "k8s.io/component-helpers/resource"
)

// limitRangerAnnotation tells in a pod what its namespace's defaults have set.
const limitRangerAnnotation = "kubernetes.io/limit-ranger"

// setDefaults completes the containers of a pod from the range's defaults.
func setDefaults(r *corev1.LimitRange, pod *corev1.Pod) {
	requests, limits := containerDefaults(r)
	var set []string
	for i := range pod.Spec.Containers {
		set = append(set, complete(&pod.Spec.Containers[i], "container", requests, limits)...)
	}
	for i := range pod.Spec.InitContainers {
		set = append(set, complete(&pod.Spec.InitContainers[i], "init container", requests, limits)...)
	}
	if len(set) > 0 {
		metav1.SetMetaDataAnnotation(&pod.ObjectMeta, limitRangerAnnotation, "LimitRanger plugin set: "+strings.Join(set, "; "))
	}
}

func containerDefaults(r *corev1.LimitRange) (requests, limits corev1.ResourceList) {
	requests, limits = corev1.ResourceList{}, corev1.ResourceList{}
	for _, limit := range r.Spec.Limits {
		if limit.Type == corev1.LimitTypeContainer {
			maps.Copy(requests, limit.DefaultRequest)
			maps.Copy(limits, limit.Default)
		}
	}
	return requests, limits
}

func complete(c *corev1.Container, kind string, requests, limits corev1.ResourceList) []string {
	var set []string
	if names := fill(&c.Resources.Requests, requests); names != "" {
		set = append(set, fmt.Sprintf("%s request for %s %s", names, kind, c.Name))
	}
	if names := fill(&c.Resources.Limits, limits); names != "" {
		set = append(set, fmt.Sprintf("%s limit for %s %s", names, kind, c.Name))
	}
	return set
}

// fill adds what the list lacks of the defaults and returns the names added.
func fill(list *corev1.ResourceList, defaults corev1.ResourceList) string {
	var names []string
	for _, n := range slices.Sorted(maps.Keys(defaults)) {
		if _, found := (*list)[n]; found {
			continue
		}
		if *list == nil {
			*list = corev1.ResourceList{}
		}
		(*list)[n] = defaults[n].DeepCopy()
		names = append(names, string(n))
	}
	return strings.Join(names, ", ")
}

// asked is the resources of one container, of a whole pod, or of a claim.
type asked struct {
	kind             corev1.LimitType
	requests, limits corev1.ResourceList
}

func podWithin(limit corev1.LimitRangeItem, pod *corev1.Pod) []error {
	var errs []error
	switch limit.Type {
	case corev1.LimitTypeContainer:
		for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
			errs = append(errs, asked{limit.Type, c.Resources.Requests, c.Resources.Limits}.within(limit)...)
		}
	case corev1.LimitTypePod:
		o := resourcehelper.PodResourcesOptions{}
		errs = asked{limit.Type, resourcehelper.PodRequests(pod, o), resourcehelper.PodLimits(pod, o)}.within(limit)
	}
	return errs
}

func (r asked) within(limit corev1.LimitRangeItem) []error {
	return slices.Concat(
		each(limit.Min, r.atLeast),
		each(limit.Max, r.atMost),
		each(limit.MaxLimitRequestRatio, r.ratioAtMost))
}

// claimWithin: a claim only requests; it has no limits.
func claimWithin(limit corev1.LimitRangeItem, claim *corev1.PersistentVolumeClaim) []error {
	if limit.Type != corev1.LimitTypePersistentVolumeClaim {
		return nil
	}
	r := asked{kind: limit.Type, requests: claim.Spec.Resources.Requests}
	return slices.Concat(each(limit.Min, r.atLeast), each(limit.Max, r.requestAtMost))
}

// each applies a check to every resource of a limit, in the order of names.
func each(bounds corev1.ResourceList, check func(corev1.ResourceName, resource.Quantity) error) []error {
	var errs []error
	for _, n := range slices.Sorted(maps.Keys(bounds)) {
		if err := check(n, bounds[n]); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func (r asked) atLeast(n corev1.ResourceName, bound resource.Quantity) error {
	what := fmt.Sprintf("minimum %s usage per %s is %s", n, r.kind, bound.String())
	request, requested := r.requests[n]
	limit, limited := r.limits[n]
	switch {
	case !requested:
		return fmt.Errorf("%s.  No request is specified", what)
	case request.Cmp(bound) < 0:
		return fmt.Errorf("%s, but request is %s", what, request.String())
	case limited && limit.Cmp(bound) < 0:
		return fmt.Errorf("%s, but limit is %s", what, limit.String())
	}
	return nil
}

func (r asked) atMost(n corev1.ResourceName, bound resource.Quantity) error {
	what := fmt.Sprintf("maximum %s usage per %s is %s", n, r.kind, bound.String())
	request, requested := r.requests[n]
	limit, limited := r.limits[n]
	switch {
	case !limited:
		return fmt.Errorf("%s.  No limit is specified", what)
	case limit.Cmp(bound) > 0:
		return fmt.Errorf("%s, but limit is %s", what, limit.String())
	case requested && request.Cmp(bound) > 0:
		return fmt.Errorf("%s, but request is %s", what, request.String())
	}
	return nil
}

func (r asked) requestAtMost(n corev1.ResourceName, bound resource.Quantity) error {
	what := fmt.Sprintf("maximum %s usage per %s is %s", n, r.kind, bound.String())
	request, requested := r.requests[n]
	switch {
	case !requested:
		return fmt.Errorf("%s.  No request is specified", what)
	case request.Cmp(bound) > 0:
		return fmt.Errorf("%s, but request is %s", what, request.String())
	}
	return nil
}

func (r asked) ratioAtMost(n corev1.ResourceName, bound resource.Quantity) error {
	what := fmt.Sprintf("%s max limit to request ratio per %s is %s", n, r.kind, bound.String())
	request, requested := r.requests[n]
	limit, limited := r.limits[n]
	if !requested || request.IsZero() {
		return fmt.Errorf("%s, but no request is specified or request is 0", what)
	}
	if !limited || limit.IsZero() {
		return fmt.Errorf("%s, but no limit is specified or limit is 0", what)
	}
	ratio := limit.AsApproximateFloat64() / request.AsApproximateFloat64()
	if ratio > bound.AsApproximateFloat64() {
		return fmt.Errorf("%s, but provided ratio is %f", what, ratio)
	}
	return nil
}
