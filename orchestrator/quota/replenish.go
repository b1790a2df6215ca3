package quota

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
)

// Replenishes reports whether an object's change from old to new frees, or
// otherwise moves, what quotas have charged for it, so that they must be
// counted again. Growth is charged by admission and needs no recount.
func Replenishes(old, new runtime.Object, now time.Time) bool {
	switch n := new.(type) {
	case *corev1.Pod:
		o, ok := old.(*corev1.Pod)
		return ok && podReplenishes(o, n, now)
	case *corev1.Service:
		o, ok := old.(*corev1.Service)
		return ok && chargedType(o) != chargedType(n)
	case *corev1.PersistentVolumeClaim:
		o, ok := old.(*corev1.PersistentVolumeClaim)
		return ok && claimChanges(o, n)
	}
	return false
}

func podReplenishes(old, new *corev1.Pod, now time.Time) bool {
	return hasDeadline(old) != hasDeadline(new) ||
		PodCounts(old, now) && !PodCounts(new, now) ||
		resized(old.Status.InitContainerStatuses, new.Status.InitContainerStatuses) ||
		resized(old.Status.ContainerStatuses, new.Status.ContainerStatuses)
}

func resized(old, new []corev1.ContainerStatus) bool {
	before := map[string]*corev1.ResourceRequirements{}
	for _, s := range old {
		before[s.Name] = s.Resources
	}
	for _, s := range new {
		if b, known := before[s.Name]; known && !equality.Semantic.DeepEqual(b, s.Resources) {
			return true
		}
	}
	return false
}

func chargedType(s *corev1.Service) corev1.ServiceType {
	if s.Spec.Type == corev1.ServiceTypeNodePort || s.Spec.Type == corev1.ServiceTypeLoadBalancer {
		return s.Spec.Type
	}
	return ""
}
