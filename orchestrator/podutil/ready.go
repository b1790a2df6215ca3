package podutil

import (
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Condition returns the condition of that type in the status of a pod, to be
// read or changed in place, or nil when there is none.
func Condition(status *v1.PodStatus, kind v1.PodConditionType) *v1.PodCondition {
	for i := range status.Conditions {
		if status.Conditions[i].Type == kind {
			return &status.Conditions[i]
		}
	}
	return nil
}

// IsConditionTrue tells whether the pod has that condition with status True.
func IsConditionTrue(status *v1.PodStatus, kind v1.PodConditionType) bool {
	c := Condition(status, kind)
	return c != nil && c.Status == v1.ConditionTrue
}

// UpdateCondition puts a condition into the status in the place of the one of
// its type, or at the end, and tells whether that changed anything. The time of
// the last transition becomes now when the condition's status changes, and else
// stays what it was.
func UpdateCondition(status *v1.PodStatus, condition v1.PodCondition, now time.Time) bool {
	condition.LastTransitionTime = metav1.NewTime(now)
	old := Condition(status, condition.Type)
	if old == nil {
		status.Conditions = append(status.Conditions, condition)
		return true
	}
	if old.Status == condition.Status {
		condition.LastTransitionTime = old.LastTransitionTime
	}
	changed := !equalConditions(old, &condition)
	*old = condition
	return changed
}

func equalConditions(a, b *v1.PodCondition) bool {
	return a.Status == b.Status && a.Reason == b.Reason && a.Message == b.Message &&
		a.ObservedGeneration == b.ObservedGeneration &&
		a.LastProbeTime.Equal(&b.LastProbeTime) && a.LastTransitionTime.Equal(&b.LastTransitionTime)
}

// IsReady tells whether a pod has the condition Ready.
func IsReady(pod *v1.Pod) bool {
	return IsConditionTrue(&pod.Status, v1.PodReady)
}

// IsAvailable tells whether a pod has been ready for at least minReady at the
// time now. minReady of zero asks for readiness only.
func IsAvailable(pod *v1.Pod, minReady time.Duration, now time.Time) bool {
	c := Condition(&pod.Status, v1.PodReady)
	if c == nil || c.Status != v1.ConditionTrue {
		return false
	}
	if minReady == 0 {
		return true
	}
	since := c.LastTransitionTime
	return !since.IsZero() && !since.Add(minReady).After(now)
}

// IsTerminal tells whether a pod has ended for good: it succeeded or failed.
func IsTerminal(pod *v1.Pod) bool {
	return IsTerminalPhase(pod.Status.Phase)
}

// IsTerminalPhase tells whether the phase is one that no pod leaves.
func IsTerminalPhase(phase v1.PodPhase) bool {
	return phase == v1.PodSucceeded || phase == v1.PodFailed
}

// IsActive tells whether a pod counts for its controller: it has not ended and
// is not being deleted.
func IsActive(pod *v1.Pod) bool {
	return !IsTerminal(pod) && pod.DeletionTimestamp == nil
}
