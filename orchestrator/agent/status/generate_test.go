package status

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/observed"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

type noVerdicts struct{}

func (noVerdicts) Ready(string) (ready, known bool)     { return false, false }
func (noVerdicts) Started(string) (started, known bool) { return false, false }

func input(policy v1.RestartPolicy, containers ...observed.Container) Input {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", Generation: 3}}
	pod.Spec.RestartPolicy = policy
	pod.Spec.Containers = []v1.Container{{Name: "c", Image: "i"}}
	return Input{
		Pod: pod, Old: &v1.PodStatus{}, Seen: &observed.Pod{Containers: containers}, Verdicts: noVerdicts{},
		HostIPs: []string{"192.0.2.1"}, Now: time.Unix(1e9, 0),
	}
}

func ended(id string, code int32) observed.Container {
	return observed.Container{ID: id, Name: "c", State: observed.Exited, ExitCode: code, Reason: "Error", Finished: time.Unix(1e9, 0)}
}

func TestPhases(t *testing.T) {
	f := func(want v1.PodPhase, policy v1.RestartPolicy, terminated bool, containers ...observed.Container) {
		t.Helper()
		in := input(policy, containers...)
		in.Terminating, in.Terminated = terminated, terminated
		require.Equal(t, want, Generate(in).Phase)
	}
	alive := observed.Container{ID: "1", Name: "c", State: observed.Running}
	f(v1.PodPending, v1.RestartPolicyAlways, false)
	f(v1.PodRunning, v1.RestartPolicyAlways, false, alive)
	f(v1.PodRunning, v1.RestartPolicyAlways, false, ended("1", 0))
	f(v1.PodRunning, v1.RestartPolicyOnFailure, false, ended("1", 1))
	f(v1.PodSucceeded, v1.RestartPolicyOnFailure, false, ended("1", 0))
	f(v1.PodSucceeded, v1.RestartPolicyNever, false, ended("1", 0))
	f(v1.PodFailed, v1.RestartPolicyNever, false, ended("1", 1))
	f(v1.PodFailed, v1.RestartPolicyAlways, true)
	f(v1.PodSucceeded, v1.RestartPolicyAlways, true, ended("1", 0))
	f(v1.PodPending, v1.RestartPolicyNever, false, observed.Container{ID: "1", Name: "c", State: observed.Created})
}

func TestTerminalPhaseStays(t *testing.T) {
	in := input(v1.RestartPolicyAlways, observed.Container{ID: "1", Name: "c", State: observed.Running})
	in.Old.Phase, in.Old.Reason = v1.PodFailed, "Evicted"
	s := Generate(in)
	require.Equal(t, v1.PodFailed, s.Phase)
	require.Equal(t, "Evicted", s.Reason)
}

func TestExitsAreRemembered(t *testing.T) {
	in := input(v1.RestartPolicyAlways, ended("1", 4))
	in.Waiting = map[string]v1.ContainerStateWaiting{"c": {Reason: "CrashLoopBackOff"}}
	s := Generate(in)
	require.Equal(t, "CrashLoopBackOff", s.ContainerStatuses[0].State.Waiting.Reason)
	require.Equal(t, int32(4), s.ContainerStatuses[0].LastTerminationState.Terminated.ExitCode)

	// Started anew: its postStart hook still runs.
	again := observed.Container{ID: "2", Name: "c", State: observed.Running, Restarts: 1}
	in.Old, in.Starting, in.Waiting = &s, "c", nil
	in.Seen = &observed.Pod{Containers: []observed.Container{again, ended("1", 4)}}
	s = Generate(in)
	require.Nil(t, s.ContainerStatuses[0].State.Running)
	in.Old, in.Starting = &s, ""
	s = Generate(in)
	require.NotNil(t, s.ContainerStatuses[0].State.Running)
	require.Equal(t, int32(1), s.ContainerStatuses[0].RestartCount)
	require.Equal(t, int32(4), s.ContainerStatuses[0].LastTerminationState.Terminated.ExitCode)

	// The runtime forgets everything.
	in.Old, in.Seen = &s, &observed.Pod{}
	s = Generate(in)
	require.Equal(t, int32(1), s.ContainerStatuses[0].RestartCount)
	require.Equal(t, "containerd://1", s.ContainerStatuses[0].LastTerminationState.Terminated.ContainerID)
}

func TestLostContainerOfAnEndedPodHasFailed(t *testing.T) {
	in := input(v1.RestartPolicyNever)
	in.Old.ContainerStatuses = []v1.ContainerStatus{{Name: "c", ContainerID: "containerd://1", State: v1.ContainerState{Running: &v1.ContainerStateRunning{}}}}
	in.Terminating, in.Terminated = true, true
	s := Generate(in)
	require.Equal(t, v1.PodFailed, s.Phase)
	require.Equal(t, "ContainerStatusUnknown", s.ContainerStatuses[0].State.Terminated.Reason)
	require.Equal(t, int32(137), s.ContainerStatuses[0].State.Terminated.ExitCode)
}

func TestPodThatWasTurnedAwayHasNoContainers(t *testing.T) {
	in := input(v1.RestartPolicyAlways)
	in.Failure = &Failure{Reason: "OutOfcpu"}
	in.Terminating = true
	s := Generate(in)
	require.Empty(t, s.ContainerStatuses)
	require.Equal(t, "OutOfcpu", s.Reason)
	in.Failure, in.Old, in.Terminated = nil, &s, true // as after a restart of the agent
	require.Empty(t, Generate(in).ContainerStatuses)
	in.Old.Phase = v1.PodPending // deleted before its first container
	require.NotEmpty(t, Generate(in).ContainerStatuses)
}

func TestConditionsOfOthersAndReadinessGates(t *testing.T) {
	in := input(v1.RestartPolicyAlways, observed.Container{ID: "1", Name: "c", State: observed.Running})
	in.Pod.Spec.ReadinessGates = []v1.PodReadinessGate{{ConditionType: "open"}}
	s := Generate(in)
	ready := podutil.Condition(&s, v1.PodReady)
	require.Equal(t, "ReadinessGatesNotReady", ready.Reason)
	require.Equal(t, `corresponding condition of pod readiness gate "open" does not exist.`, ready.Message)
	require.Equal(t, int64(3), ready.ObservedGeneration)
	require.Equal(t, int64(3), s.ObservedGeneration)
	in.Pod.Status.Conditions = []v1.PodCondition{{Type: "open", Status: v1.ConditionTrue}}
	in.Old, in.Now = &s, in.Now.Add(time.Hour)
	s2 := Generate(in)
	require.True(t, podutil.IsConditionTrue(&s2, "open"))
	require.Equal(t, in.Now.Unix(), podutil.Condition(&s2, v1.PodReady).LastTransitionTime.Unix())
	require.NotEqual(t, in.Now.Unix(), podutil.Condition(&s2, v1.ContainersReady).LastTransitionTime.Unix(), "its status is as it was")
	require.Equal(t, s.StartTime, s2.StartTime)
}

func TestMessagesOfAPodAreBounded(t *testing.T) {
	in := input(v1.RestartPolicyNever)
	in.Pod.Spec.Containers = nil
	for i := range 6 {
		c := ended("1", 1)
		c.Name = strings.Repeat("x", i+1)
		c.Message = strings.Repeat("m", 4096)
		in.Pod.Spec.Containers = append(in.Pod.Spec.Containers, v1.Container{Name: c.Name})
		in.Seen.Containers = append(in.Seen.Containers, c)
	}
	total := 0
	for _, c := range Generate(in).ContainerStatuses {
		total += len(c.State.Terminated.Message)
	}
	require.Equal(t, maxPodMessages, total)
}

func TestRestartRules(t *testing.T) {
	never := v1.ContainerRestartPolicyNever
	spec := &v1.Container{RestartPolicy: &never, RestartPolicyRules: []v1.ContainerRestartRule{{
		Action: v1.ContainerRestartRuleActionRestart, ExitCodes: &v1.ContainerRestartRuleOnExitCodes{Operator: v1.ContainerRestartRuleOnExitCodesOpIn, Values: []int32{42}},
	}}}
	pod := &v1.Pod{Spec: v1.PodSpec{RestartPolicy: v1.RestartPolicyAlways}}
	require.True(t, Restarts(spec, pod, 42))
	require.False(t, Restarts(spec, pod, 41))
	require.True(t, Restarts(&v1.Container{}, pod, 0))
}
