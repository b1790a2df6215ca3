package podutil

import (
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Controller returns the kind and name of the object that controls a pod, and
// whether there is one.
func Controller(pod *v1.Pod) (kind, name string, ok bool) {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil {
		return "", "", false
	}
	return owner.Kind, owner.Name, true
}

// Priority returns the priority of a pod, which is 0 when none was assigned.
func Priority(pod *v1.Pod) int32 {
	if pod.Spec.Priority == nil {
		return 0
	}
	return *pod.Spec.Priority
}
