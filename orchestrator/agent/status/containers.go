package status

import (
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/observed"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// Reasons of container states that the agent itself gives.
const (
	containerCreating = "ContainerCreating"
	podInitializing   = "PodInitializing"
	statusUnknown     = "ContainerStatusUnknown"
)

const (
	goneAtEnd     = "The container could not be located when the pod was terminated"
	goneMeanwhile = "The container could not be located when the pod was deleted.  The container used to be Running"
	// exitLost is the code for an exit that nobody saw.
	exitLost = 137
)

type containers struct {
	in  Input
	old *v1.PodStatus
}

// statuses makes one status for each container of the list, in its order.
func (c containers) statuses(specs []v1.Container, old []v1.ContainerStatus, init bool) []v1.ContainerStatus {
	if len(specs) == 0 {
		return nil
	}
	made := make([]v1.ContainerStatus, 0, len(specs))
	for i := range specs {
		made = append(made, c.status(&specs[i], find(old, specs[i].Name), init))
	}
	return made
}

func find(list []v1.ContainerStatus, name string) *v1.ContainerStatus {
	i := slices.IndexFunc(list, func(s v1.ContainerStatus) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &list[i]
}

func (c containers) status(spec *v1.Container, old *v1.ContainerStatus, init bool) v1.ContainerStatus {
	s := v1.ContainerStatus{Name: spec.Name, Image: spec.Image, VolumeMounts: mountStatuses(spec)}
	if old == nil {
		old = &v1.ContainerStatus{}
	}
	newest, earlier := c.seen(spec.Name)
	if newest == nil {
		c.unseen(&s, old)
	} else {
		c.fromSeen(&s, spec, newest, earlier, old)
	}
	s.RestartCount = max(s.RestartCount, old.RestartCount)
	c.wait(&s, spec.Name)
	c.judge(&s, spec, old, init)
	return s
}

// seen are the newest container of that name and the one before it. One that is
// just being started is left out, unless it has ended already.
func (c containers) seen(name string) (newest, earlier *observed.Container) {
	for i := range c.in.Seen.Containers {
		container := &c.in.Seen.Containers[i]
		if container.Name != name {
			continue
		}
		if newest == nil && name == c.in.Starting && container.State != observed.Exited {
			continue
		}
		if newest == nil {
			newest = container
			continue
		}
		return newest, container
	}
	return newest, nil
}

func (c containers) fromSeen(s *v1.ContainerStatus, spec *v1.Container, newest, earlier *observed.Container, old *v1.ContainerStatus) {
	s.ContainerID = fullID(newest.ID)
	s.ImageID, s.RestartCount = newest.ImageID, newest.Restarts
	if newest.Image != "" {
		s.Image = newest.Image
	}
	s.State = state(newest)
	if newest.State == observed.Unknown {
		s.State = v1.ContainerState{Waiting: &v1.ContainerStateWaiting{}}
	}
	switch {
	case old.ContainerID == s.ContainerID && old.State.Terminated != nil && s.State.Terminated != nil:
		s.State = old.State // an exit is told once
	case old.ContainerID == s.ContainerID && old.LastTerminationState.Terminated != nil && old.LastTerminationState.Terminated.ContainerID == s.ContainerID && s.State.Terminated != nil:
		s.State.Terminated = old.LastTerminationState.Terminated
	}
	s.LastTerminationState = lastState(s, earlier, old)
	if spec.Resources.Requests != nil || spec.Resources.Limits != nil {
		s.Resources = spec.Resources.DeepCopy()
		s.AllocatedResources = spec.Resources.Requests.DeepCopy()
	} else {
		s.Resources = &v1.ResourceRequirements{}
	}
	if linux := newest.User.GetLinux(); linux != nil {
		s.User = &v1.ContainerUser{Linux: &v1.LinuxContainerUser{UID: linux.GetUid(), GID: linux.GetGid(), SupplementalGroups: linux.GetSupplementalGroups()}}
	}
}

// lastState is how the container before this one ended: as the runtime says, or
// as it was told when the runtime still knew.
func lastState(s *v1.ContainerStatus, earlier *observed.Container, old *v1.ContainerStatus) v1.ContainerState {
	switch {
	case old.ContainerID != "" && old.ContainerID != s.ContainerID && old.State.Terminated != nil:
		return old.State
	case old.LastTerminationState.Terminated != nil && old.LastTerminationState.Terminated.ContainerID != s.ContainerID:
		return old.LastTerminationState
	case earlier != nil && earlier.State == observed.Exited:
		return state(earlier)
	}
	return v1.ContainerState{}
}

// unseen is for a container that the runtime does not have: not started yet, or
// lost together with how it ended.
func (c containers) unseen(s, old *v1.ContainerStatus) {
	s.RestartCount = old.RestartCount
	s.LastTerminationState = old.LastTerminationState
	switch {
	case old.State.Terminated != nil:
		*s = *old.DeepCopy()
		return
	case old.State.Running != nil && s.LastTerminationState.Terminated == nil && c.in.Starting != s.Name:
		s.LastTerminationState.Terminated = &v1.ContainerStateTerminated{Reason: statusUnknown, Message: goneMeanwhile, ExitCode: exitLost}
		if c.in.Pod.DeletionTimestamp == nil {
			s.RestartCount++
		}
	}
	reason := containerCreating
	if len(c.in.Pod.Spec.InitContainers) > 0 {
		reason = podInitializing
	}
	s.State = v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: reason}}
}

// wait shows a container that will be started again as waiting, and its end as
// its last state.
func (c containers) wait(s *v1.ContainerStatus, name string) {
	reason, ok := c.in.Waiting[name]
	if !ok || s.State.Running != nil || c.in.Terminating {
		return
	}
	if s.State.Terminated != nil {
		s.LastTerminationState = v1.ContainerState{Terminated: s.State.Terminated}
	}
	s.State = v1.ContainerState{Waiting: &reason}
}

// judge sets started and ready.
func (c containers) judge(s *v1.ContainerStatus, spec *v1.Container, old *v1.ContainerStatus, init bool) {
	started := c.started(s, spec, old)
	s.Started = &started
	if init && !podutil.IsSidecar(spec) {
		s.Ready = s.State.Terminated != nil && s.State.Terminated.ExitCode == 0
		return
	}
	s.Ready = started && c.ready(s, spec, old)
}

func (c containers) started(s *v1.ContainerStatus, spec *v1.Container, old *v1.ContainerStatus) bool {
	if s.State.Running == nil {
		return false
	}
	if spec.StartupProbe == nil {
		return true
	}
	if started, known := c.in.Verdicts.Started(shortID(s.ContainerID)); known {
		return started
	}
	return old.ContainerID == s.ContainerID && old.Started != nil && *old.Started
}

func (c containers) ready(s *v1.ContainerStatus, spec *v1.Container, old *v1.ContainerStatus) bool {
	if spec.ReadinessProbe == nil {
		return true
	}
	if ready, known := c.in.Verdicts.Ready(shortID(s.ContainerID)); known {
		return ready
	}
	// An agent that has just started has no verdict yet and takes over the old.
	return old.ContainerID == s.ContainerID && old.Ready
}

func state(c *observed.Container) v1.ContainerState {
	switch c.State {
	case observed.Running:
		return v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: apiTime(c.Started)}}
	case observed.Exited:
		return v1.ContainerState{Terminated: &v1.ContainerStateTerminated{
			ExitCode: c.ExitCode, Reason: c.Reason, Message: c.Message,
			StartedAt: apiTime(c.Started), FinishedAt: apiTime(c.Finished), ContainerID: fullID(c.ID),
		}}
	default:
		return v1.ContainerState{Waiting: &v1.ContainerStateWaiting{}}
	}
}

// apiTime has the API's resolution, a second, so that statuses compare equal
// after a round trip.
func apiTime(t time.Time) metav1.Time { return metav1.NewTime(t).Rfc3339Copy() }

func fullID(id string) string { return RuntimeName + "://" + id }

func shortID(full string) string {
	const prefix = RuntimeName + "://"
	if len(full) < len(prefix) {
		return ""
	}
	return full[len(prefix):]
}

func mountStatuses(spec *v1.Container) []v1.VolumeMountStatus {
	var mounts []v1.VolumeMountStatus
	for _, m := range spec.VolumeMounts {
		s := v1.VolumeMountStatus{Name: m.Name, MountPath: m.MountPath, ReadOnly: m.ReadOnly}
		if m.ReadOnly {
			mode := v1.RecursiveReadOnlyDisabled
			if m.RecursiveReadOnly != nil && *m.RecursiveReadOnly == v1.RecursiveReadOnlyEnabled {
				mode = v1.RecursiveReadOnlyEnabled
			}
			s.RecursiveReadOnly = &mode
		}
		mounts = append(mounts, s)
	}
	return mounts
}
