// Package status makes the status of pods from what the container runtime and
// the probes say, and writes it to the API.
package status

import (
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/observed"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// RuntimeName is the scheme before container ids in the API.
const RuntimeName = "containerd"

// Verdicts are the answers of probes; ids are CRI's. known is false while there
// is none.
type Verdicts interface {
	Ready(containerID string) (ready, known bool)
	Started(containerID string) (started, known bool)
}

// Input is all that a status depends on.
type Input struct {
	Pod *v1.Pod
	// Old is the status made last, or the API's when there is none yet.
	Old  *v1.PodStatus
	Seen *observed.Pod
	// Waiting says by container name why it does not run.
	Waiting map[string]v1.ContainerStateWaiting
	// Replaced are the containers that were ended to be made anew, by name:
	// whatever the restart policy, they start again.
	Replaced map[string]bool
	// Starting is the container that is being started: until its postStart
	// hook has returned it does not show as running. "" for none.
	Starting string
	Verdicts Verdicts
	HostIPs  []string
	// SandboxUsable says that containers can be started in the newest sandbox.
	SandboxUsable bool
	// Terminating says that no container of the pod will start again,
	// Terminated that none lives either.
	Terminating, Terminated bool
	// Failure ends the pod with phase Failed; nil for none.
	Failure *Failure
	Now     time.Time
}

// Failure is why a pod was failed by the agent: evicted, past its deadline, not
// admitted.
type Failure struct {
	Reason, Message string
	// Condition, such as DisruptionTarget, is put into the status; may be nil.
	Condition *v1.PodCondition
}

// Generate makes the status. It takes over from Old what only earlier moments
// know (start time, exits of containers that are gone, terminal phase), and
// from the pod's object the conditions of others.
func Generate(in Input) v1.PodStatus {
	s := v1.PodStatus{
		ObservedGeneration: in.Pod.Generation,
		QOSClass:           podutil.QOS(in.Pod),
		StartTime:          startTime(in),
		NominatedNodeName:  in.Pod.Status.NominatedNodeName,
		Message:            in.Old.Message, Reason: in.Old.Reason,
		Resize:                in.Old.Resize,
		ResourceClaimStatuses: in.Pod.Status.ResourceClaimStatuses,
	}
	setAddresses(&s, in)
	if c := (containers{in: in, old: in.Old}); !turnedAway(in) {
		s.InitContainerStatuses = c.statuses(in.Pod.Spec.InitContainers, in.Old.InitContainerStatuses, true)
		s.ContainerStatuses = c.statuses(in.Pod.Spec.Containers, in.Old.ContainerStatuses, false)
		s.EphemeralContainerStatuses = c.statuses(ephemeral(in.Pod), in.Old.EphemeralContainerStatuses, false)
	}
	if in.Terminated {
		endUnknown(&s, in.Pod)
	}
	setPhase(&s, in)
	limitMessages(&s)
	setConditions(&s, in)
	return s
}

// turnedAway says that the pod was failed before anything of it was begun: it
// has no containers, and so its own reason is what people see.
func turnedAway(in Input) bool {
	failed := in.Failure != nil || in.Old.Phase == v1.PodFailed
	return failed && in.Terminating && len(in.Old.ContainerStatuses) == 0 && len(in.Old.InitContainerStatuses) == 0 && len(in.Seen.Containers) == 0
}

func startTime(in Input) *metav1.Time {
	if in.Old.StartTime != nil {
		return in.Old.StartTime
	}
	now := metav1.NewTime(in.Now).Rfc3339Copy()
	return &now
}

func ephemeral(pod *v1.Pod) []v1.Container {
	containers := make([]v1.Container, 0, len(pod.Spec.EphemeralContainers))
	for i := range pod.Spec.EphemeralContainers {
		containers = append(containers, v1.Container(pod.Spec.EphemeralContainers[i].EphemeralContainerCommon))
	}
	return containers
}

// setAddresses sets pod and host addresses. A pod keeps the address that its
// sandbox had after that is gone.
func setAddresses(s *v1.PodStatus, in Input) {
	for _, ip := range in.HostIPs {
		s.HostIPs = append(s.HostIPs, v1.HostIP{IP: ip})
	}
	if len(in.HostIPs) > 0 {
		s.HostIP = in.HostIPs[0]
	}
	for _, ip := range PodIPs(in.Pod, in.Seen, in.HostIPs) {
		s.PodIPs = append(s.PodIPs, v1.PodIP{IP: ip})
	}
	if len(s.PodIPs) == 0 {
		s.PodIPs = slices.Clone(in.Old.PodIPs)
	}
	if len(s.PodIPs) > 0 {
		s.PodIP = s.PodIPs[0].IP
	}
}

// PodIPs are the pod's addresses now: its sandbox's, or the host's for a pod on
// the host's network; nil while there is no sandbox.
func PodIPs(pod *v1.Pod, seen *observed.Pod, hostIPs []string) []string {
	sandbox := seen.ReadySandbox()
	if sandbox == nil {
		return nil
	}
	if pod.Spec.HostNetwork {
		return hostIPs
	}
	return sandbox.IPs
}

// setPhase sets the phase, and the reason and message that belong to it.
func setPhase(s *v1.PodStatus, in Input) {
	s.Phase = phase(in.Pod, s, in.Terminated, in.Replaced)
	before := in.Old.Phase
	if podutil.IsTerminalPhase(in.Pod.Status.Phase) {
		before = in.Pod.Status.Phase
	}
	if podutil.IsTerminalPhase(before) {
		s.Phase = before
	}
	if s.Phase != in.Old.Phase {
		s.Reason, s.Message = "", ""
	}
	if s.Reason == "" && s.Phase == in.Pod.Status.Phase {
		s.Reason, s.Message = in.Pod.Status.Reason, in.Pod.Status.Message
	}
	if in.Failure != nil && !podutil.IsTerminalPhase(before) {
		s.Phase, s.Reason, s.Message = v1.PodFailed, in.Failure.Reason, in.Failure.Message
	}
}
