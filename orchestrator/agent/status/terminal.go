package status

import (
	v1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// maxPodMessages bounds the termination messages of one pod together, in bytes.
const maxPodMessages = 12 << 10

// endUnknown gives the containers of an ended pod whose end nobody saw a failed
// end, so that such a pod never counts as succeeded. Containers that were never
// started because initialisation had not come that far stay waiting.
func endUnknown(s *v1.PodStatus, pod *v1.Pod) {
	lost := v1.ContainerState{Terminated: &v1.ContainerStateTerminated{Reason: statusUnknown, Message: goneAtEnd, ExitCode: exitLost}}
	if initialised(s, pod) {
		for i := range s.ContainerStatuses {
			if s.ContainerStatuses[i].State.Terminated == nil {
				endOne(&s.ContainerStatuses[i], lost)
			}
		}
	}
	last := -1
	for i := range s.InitContainerStatuses {
		if touched(&s.InitContainerStatuses[i]) {
			last = i
		}
	}
	if last < 0 && len(s.InitContainerStatuses) > 0 {
		last = 0
	}
	for i := 0; i <= last; i++ {
		if s.InitContainerStatuses[i].State.Terminated == nil {
			endOne(&s.InitContainerStatuses[i], lost)
		}
	}
}

// endOne ends a container: with the end that was already told of it, where it
// only waited to be started again.
func endOne(s *v1.ContainerStatus, lost v1.ContainerState) {
	if s.State.Waiting != nil && s.LastTerminationState.Terminated != nil && s.LastTerminationState.Terminated.ContainerID == s.ContainerID {
		s.State = s.LastTerminationState
		s.LastTerminationState = v1.ContainerState{}
	} else {
		s.State = *lost.DeepCopy()
	}
	no := false
	s.Started, s.Ready = &no, false
}

func touched(s *v1.ContainerStatus) bool {
	return s.State.Waiting == nil || s.LastTerminationState.Terminated != nil
}

func initialised(s *v1.PodStatus, pod *v1.Pod) bool {
	if len(pod.Spec.InitContainers) == 0 {
		return true
	}
	for i := range s.ContainerStatuses {
		if touched(&s.ContainerStatuses[i]) {
			return true
		}
	}
	return initEnded(&pod.Spec.InitContainers[len(pod.Spec.InitContainers)-1], s)
}

func initEnded(spec *v1.Container, s *v1.PodStatus) bool {
	last := find(s.InitContainerStatuses, spec.Name)
	if last == nil {
		return false
	}
	if podutil.IsSidecar(spec) {
		return last.State.Running != nil && last.Started != nil && *last.Started
	}
	return succeeded(last.State) || succeeded(last.LastTerminationState)
}

func succeeded(s v1.ContainerState) bool { return s.Terminated != nil && s.Terminated.ExitCode == 0 }

// limitMessages shortens termination messages so that a pod's together stay
// within bounds: each container has an equal share.
func limitMessages(s *v1.PodStatus) {
	n := len(s.ContainerStatuses) + len(s.InitContainerStatuses) + len(s.EphemeralContainerStatuses)
	if n == 0 {
		return
	}
	share := maxPodMessages / n
	for _, list := range [][]v1.ContainerStatus{s.InitContainerStatuses, s.ContainerStatuses, s.EphemeralContainerStatuses} {
		for i := range list {
			list[i].State.Terminated = shortened(list[i].State.Terminated, share)
			list[i].LastTerminationState.Terminated = shortened(list[i].LastTerminationState.Terminated, share)
		}
	}
}

func shortened(t *v1.ContainerStateTerminated, limit int) *v1.ContainerStateTerminated {
	if t == nil || len(t.Message) <= limit {
		return t
	}
	copied := *t
	copied.Message = copied.Message[:limit]
	return &copied
}
