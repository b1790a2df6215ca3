package podutil

import (
	"time"

	v1 "k8s.io/api/core/v1"
)

// UntilAvailable returns how long it takes until the next of the pods that are
// ready becomes available, by the rule of IsAvailable; zero when none will by
// itself.
func UntilAvailable(pods []*v1.Pod, minReady time.Duration, now time.Time) time.Duration {
	var wait time.Duration
	for _, pod := range pods {
		ready := Condition(&pod.Status, v1.PodReady)
		if minReady == 0 || ready == nil || ready.Status != v1.ConditionTrue {
			continue
		}
		left := ready.LastTransitionTime.Add(minReady).Sub(now)
		if left > 0 && (wait == 0 || left < wait) {
			wait = left
		}
	}
	return wait
}
