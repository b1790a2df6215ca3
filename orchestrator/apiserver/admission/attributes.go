package admission

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
)

// is reports whether the request is for a resource of the core group, or for
// the given subresource of it.
func is(a admission.Attributes, resource, subresource string) bool {
	return a.GetResource().GroupResource() == schema.GroupResource{Resource: resource} && a.GetSubresource() == subresource
}

// newPod is the pod of a request that creates one; nil for other requests.
func newPod(a admission.Attributes) *corev1.Pod {
	if !is(a, "pods", "") || a.GetOperation() != admission.Create {
		return nil
	}
	pod, _ := a.GetObject().(*corev1.Pod)
	return pod
}

// isMirror reports whether a pod only shows what a node runs by itself.
func isMirror(pod *corev1.Pod) bool {
	_, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]
	return mirror
}

func forbid(a admission.Attributes, format string, args ...any) error {
	return admission.NewForbidden(a, fmt.Errorf(format, args...))
}

func wrongType(a admission.Attributes, got runtime.Object) error {
	return forbid(a, "unexpected type %T", got)
}
