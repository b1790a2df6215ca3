package status

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// owned are the conditions that the agent writes, in the order of the status.
var owned = [...]v1.PodConditionType{
	v1.PodReadyToStartContainers, v1.PodInitialized, v1.PodReady, v1.ContainersReady, v1.PodScheduled,
}

// setConditions sets the agent's conditions and keeps everybody else's.
func setConditions(s *v1.PodStatus, in Input) {
	for _, c := range in.Pod.Status.Conditions {
		if !isOwned(c.Type) {
			s.Conditions = append(s.Conditions, c)
		}
	}
	keepDisruption(s, in)
	containersReady := containersReadyCondition(s, in.Pod)
	for _, c := range []v1.PodCondition{
		{Type: v1.PodReadyToStartContainers, Status: boolStatus(in.SandboxUsable)},
		initializedCondition(s, in.Pod),
		readyCondition(s, in.Pod, containersReady),
		containersReady,
		{Type: v1.PodScheduled, Status: v1.ConditionTrue},
	} {
		c.ObservedGeneration = in.Pod.Generation
		setTransition(&c, in)
		s.Conditions = append(s.Conditions, c)
	}
}

func isOwned(kind v1.PodConditionType) bool {
	for _, o := range owned {
		if o == kind {
			return true
		}
	}
	return false
}

// keepDisruption puts the condition of an eviction by the agent into the status,
// and keeps it there.
func keepDisruption(s *v1.PodStatus, in Input) {
	condition := podutil.Condition(in.Old, v1.DisruptionTarget)
	if in.Failure != nil && in.Failure.Condition != nil {
		condition = in.Failure.Condition.DeepCopy()
		condition.ObservedGeneration = in.Pod.Generation
		setTransition(condition, in)
	}
	if condition == nil {
		return
	}
	if have := podutil.Condition(s, condition.Type); have != nil {
		*have = *condition
		return
	}
	s.Conditions = append(s.Conditions, *condition)
}

// setTransition keeps the time of a condition whose status did not change.
func setTransition(c *v1.PodCondition, in Input) {
	for _, status := range []*v1.PodStatus{in.Old, &in.Pod.Status} {
		if old := podutil.Condition(status, c.Type); old != nil && old.Status == c.Status && !old.LastTransitionTime.IsZero() {
			c.LastTransitionTime = old.LastTransitionTime
			return
		}
	}
	c.LastTransitionTime = metav1.NewTime(in.Now).Rfc3339Copy()
}

func boolStatus(yes bool) v1.ConditionStatus {
	if yes {
		return v1.ConditionTrue
	}
	return v1.ConditionFalse
}

// terminalCondition is a condition's answer for an ended pod, if it has one.
func terminalCondition(kind v1.PodConditionType, phase v1.PodPhase) (v1.PodCondition, bool) {
	c := v1.PodCondition{Type: kind, Status: v1.ConditionFalse}
	switch phase {
	case v1.PodSucceeded:
		c.Reason = "PodCompleted"
	case v1.PodFailed:
		c.Reason = "PodFailed"
	default:
		return c, false
	}
	return c, true
}

func containersReadyCondition(s *v1.PodStatus, pod *v1.Pod) v1.PodCondition {
	if c, ok := terminalCondition(v1.ContainersReady, s.Phase); ok {
		return c
	}
	var unready []string
	for i := range pod.Spec.InitContainers {
		spec := &pod.Spec.InitContainers[i]
		if podutil.IsSidecar(spec) && !isReady(find(s.InitContainerStatuses, spec.Name)) {
			unready = append(unready, spec.Name)
		}
	}
	for i := range pod.Spec.Containers {
		if name := pod.Spec.Containers[i].Name; !isReady(find(s.ContainerStatuses, name)) {
			unready = append(unready, name)
		}
	}
	if len(unready) == 0 {
		return v1.PodCondition{Type: v1.ContainersReady, Status: v1.ConditionTrue}
	}
	return v1.PodCondition{
		Type: v1.ContainersReady, Status: v1.ConditionFalse, Reason: "ContainersNotReady",
		Message: fmt.Sprintf("containers with unready status: %s", unready),
	}
}

func isReady(s *v1.ContainerStatus) bool { return s != nil && s.Ready }

func readyCondition(s *v1.PodStatus, pod *v1.Pod, containersReady v1.PodCondition) v1.PodCondition {
	c := containersReady
	c.Type = v1.PodReady
	if c.Status != v1.ConditionTrue {
		return c
	}
	var missing []string
	for _, gate := range pod.Spec.ReadinessGates {
		have := podutil.Condition(s, gate.ConditionType)
		switch {
		case have == nil:
			missing = append(missing, fmt.Sprintf("corresponding condition of pod readiness gate %q does not exist.", string(gate.ConditionType)))
		case have.Status != v1.ConditionTrue:
			missing = append(missing, fmt.Sprintf("the status of pod readiness gate %q is not \"True\", but %v", string(gate.ConditionType), have.Status))
		}
	}
	if len(missing) > 0 {
		c.Status, c.Reason, c.Message = v1.ConditionFalse, "ReadinessGatesNotReady", strings.Join(missing, ", ")
	}
	return c
}

func initializedCondition(s *v1.PodStatus, pod *v1.Pod) v1.PodCondition {
	c := v1.PodCondition{Type: v1.PodInitialized, Status: v1.ConditionTrue}
	if s.Phase == v1.PodSucceeded {
		c.Reason = "PodCompleted"
		return c
	}
	if anyRegularStarted(s) {
		return c
	}
	var incomplete []string
	for i := range pod.Spec.InitContainers {
		spec := &pod.Spec.InitContainers[i]
		status := find(s.InitContainerStatuses, spec.Name)
		done := isReady(status)
		if podutil.IsSidecar(spec) {
			done = status != nil && status.Started != nil && *status.Started
		}
		if !done {
			incomplete = append(incomplete, spec.Name)
		}
	}
	if len(incomplete) > 0 {
		c.Status, c.Reason = v1.ConditionFalse, "ContainersNotInitialized"
		c.Message = fmt.Sprintf("containers with incomplete status: %s", incomplete)
	}
	return c
}
