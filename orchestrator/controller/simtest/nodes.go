package simtest

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// StepPods does one thing that the scheduler and the nodes do: it binds, starts
// or ends one pod that waits for it. False when no pod waits. choose returns the
// node for a pod, "" for none.
func (w *World) StepPods(choose func(*corev1.Pod) string) bool {
	pods := w.Pods()
	first := w.Rand.IntN(max(len(pods), 1))
	for i := range pods {
		if w.stepPod(pods[(first+i)%len(pods)], choose) {
			return true
		}
	}
	return false
}

func (w *World) stepPod(pod *corev1.Pod, choose func(*corev1.Pod) string) bool {
	switch {
	case pod.DeletionTimestamp != nil && len(pod.Finalizers) == 0:
		w.API.End(pod)
	case pod.DeletionTimestamp != nil:
		return false
	case pod.Spec.NodeName == "":
		node := choose(pod)
		if node == "" {
			return false
		}
		w.changePod(pod, func(p *corev1.Pod) { p.Spec.NodeName = node })
	case pod.Status.Phase == "" || pod.Status.Phase == corev1.PodPending:
		w.SetReady(pod, true)
	case pod.Status.Phase == corev1.PodRunning && !ready(pod):
		w.SetReady(pod, true)
	default:
		return false
	}
	return true
}

func (w *World) changePod(pod *corev1.Pod, change func(*corev1.Pod)) {
	Change(w.API, pod.Namespace, pod.Name, change)
}

// SetReady makes a pod run, ready or not.
func (w *World) SetReady(pod *corev1.Pod, ready bool) {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	w.changePod(pod, func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodRunning
		p.Status.PodIP = "10.244.0.7"
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status, LastTransitionTime: metav1.NewTime(w.Clock.Now())}}
	})
}

// Fail ends a pod's containers with an error.
func (w *World) Fail(pod *corev1.Pod) {
	w.changePod(pod, func(p *corev1.Pod) { p.Status.Phase, p.Status.Conditions = corev1.PodFailed, nil })
}

func ready(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// Living are the pods that have not ended and are not being deleted.
func Living(pods []*corev1.Pod) []*corev1.Pod {
	var living []*corev1.Pod
	for _, p := range pods {
		if p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodFailed && p.Status.Phase != corev1.PodSucceeded {
			living = append(living, p)
		}
	}
	return living
}
