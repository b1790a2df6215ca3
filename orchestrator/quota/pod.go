package quota

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apiserver/pkg/admission"
	quotav1 "k8s.io/apiserver/pkg/quota/v1"
	resourcehelper "k8s.io/component-helpers/resource"
	"k8s.io/utils/clock"
)

// countPods counts stored pods in any phase; "pods" only those that may run.
const countPods corev1.ResourceName = "count/pods"

func podResourceNames() []corev1.ResourceName {
	return []corev1.ResourceName{
		countPods, corev1.ResourcePods,
		corev1.ResourceCPU, corev1.ResourceRequestsCPU, corev1.ResourceLimitsCPU,
		corev1.ResourceMemory, corev1.ResourceRequestsMemory, corev1.ResourceLimitsMemory,
		corev1.ResourceEphemeralStorage, corev1.ResourceRequestsEphemeralStorage, corev1.ResourceLimitsEphemeralStorage,
	}
}

func pods(lister quotav1.ListerForResourceFunc, clock clock.PassiveClock) quotav1.Evaluator {
	e := newEvaluator(lister, "pods")
	e.handles = handlesPod
	e.names = podNames
	e.inScope = podInScope
	e.constraints = mustSpecify
	e.usage = func(item runtime.Object) (corev1.ResourceList, error) {
		pod, ok := item.(*corev1.Pod)
		if !ok {
			return nil, unexpected("pod", item)
		}
		return PodUsage(pod, clock.Now()), nil
	}
	return e
}

// handlesPod: a pod's usage is fixed at creation, but for a resize, and for a
// deadline set later, which moves the pod to another scope.
func handlesPod(a admission.Attributes) bool {
	switch a.GetSubresource() {
	case "resize":
		return a.GetOperation() == admission.Update
	case "":
		return a.GetOperation() == admission.Create || a.GetOperation() == admission.Update && scopeChanges(a)
	}
	return false
}

func scopeChanges(a admission.Attributes) bool {
	pod, ok := a.GetObject().(*corev1.Pod)
	old, okOld := a.GetOldObject().(*corev1.Pod)
	return ok && okOld && hasDeadline(pod) != hasDeadline(old)
}

func podNames(input []corev1.ResourceName) []corev1.ResourceName {
	names := quotav1.Intersection(input, podResourceNames())
	for _, n := range input {
		if quotav1.ContainsPrefix([]string{corev1.ResourceHugePagesPrefix, corev1.ResourceRequestsHugePagesPrefix}, n) || isExtendedRequest(n) {
			names = append(names, n)
		}
	}
	return names
}

// isExtendedRequest: extended resources cannot be over-committed, so quotas
// know only their requests.<name>.
func isExtendedRequest(n corev1.ResourceName) bool {
	return !isNative(n) && strings.HasPrefix(string(n), corev1.DefaultResourceRequestsPrefix)
}

func isNative(n corev1.ResourceName) bool {
	return !strings.Contains(string(n), "/") || strings.Contains(string(n), corev1.ResourceDefaultNamespacePrefix)
}

func isExtended(n corev1.ResourceName) bool {
	return !isNative(n) && !strings.HasPrefix(string(n), corev1.DefaultResourceRequestsPrefix) &&
		len(validation.IsQualifiedName(corev1.DefaultResourceRequestsPrefix+string(n))) == 0
}

// PodUsage is what a pod counts for at a moment. A pod that has ended, or that
// should have been gone by now, holds only its place in the store.
func PodUsage(pod *corev1.Pod, now time.Time) corev1.ResourceList {
	usage := corev1.ResourceList{countPods: *resource.NewQuantity(1, resource.DecimalSI)}
	if !PodCounts(pod, now) {
		return usage
	}
	o := resourcehelper.PodResourcesOptions{UseStatusResources: true}
	maps.Copy(usage, computeUsage(resourcehelper.PodRequests(pod, o), resourcehelper.PodLimits(pod, o)))
	return usage
}

// PodCounts reports whether a pod is charged for what it requests: not once it
// has ended, nor when it outlives its grace period (its node may be lost, and
// its replacement must be able to start).
func PodCounts(pod *corev1.Pod, now time.Time) bool {
	if pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		return false
	}
	if pod.DeletionTimestamp == nil || pod.DeletionGracePeriodSeconds == nil {
		return true
	}
	return !now.After(PodExpires(pod))
}

// PodExpires is when a pod being deleted stops to count, though it be still
// there. It must have a deletion time and grace period.
func PodExpires(pod *corev1.Pod) time.Time {
	return pod.DeletionTimestamp.Add(time.Duration(*pod.DeletionGracePeriodSeconds) * time.Second)
}

func computeUsage(requests, limits corev1.ResourceList) corev1.ResourceList {
	usage := corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(1, resource.DecimalSI)}
	for _, n := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		if q, found := requests[n]; found {
			usage[n] = q
			usage[requestsOf(n)] = q
		}
		if q, found := limits[n]; found {
			usage["limits."+n] = q
		}
	}
	for n, q := range requests {
		if strings.HasPrefix(string(n), corev1.ResourceHugePagesPrefix) {
			usage[n] = q
			usage[requestsOf(n)] = q
		}
		if isExtended(n) {
			usage[requestsOf(n)] = q
		}
	}
	return usage
}

func requestsOf(n corev1.ResourceName) corev1.ResourceName {
	return corev1.DefaultResourceRequestsPrefix + n
}

// mustSpecify refuses a pod of which a container leaves out a cpu or memory
// figure that the quota limits.
func mustSpecify(required []corev1.ResourceName, item runtime.Object) error {
	pod, ok := item.(*corev1.Pod)
	if !ok {
		return unexpected("pod", item)
	}
	if resourcehelper.IsPodLevelResourcesSet(pod) {
		return nil
	}
	missing := map[corev1.ResourceName][]string{}
	for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
		has := computeUsage(c.Resources.Requests, c.Resources.Limits)
		for _, n := range quotav1.Intersection(required, compulsory()) {
			if _, found := has[n]; !found {
				missing[n] = append(missing[n], c.Name)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	var parts []string
	for _, n := range slices.Sorted(maps.Keys(missing)) {
		slices.Sort(missing[n])
		parts = append(parts, fmt.Sprintf("%s for: %s", n, strings.Join(slices.Compact(missing[n]), ",")))
	}
	return fmt.Errorf("must specify %s", strings.Join(parts, "; "))
}

func compulsory() []corev1.ResourceName {
	return []corev1.ResourceName{
		corev1.ResourceCPU, corev1.ResourceRequestsCPU, corev1.ResourceLimitsCPU,
		corev1.ResourceMemory, corev1.ResourceRequestsMemory, corev1.ResourceLimitsMemory,
	}
}
