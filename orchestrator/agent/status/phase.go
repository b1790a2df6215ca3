package status

import (
	v1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// tally counts a pod's containers by what they do.
type tally struct {
	replaced                                             map[string]bool
	unknown, running, waiting, stopped, succeeded, final int
	pendingInit, failedInit, pendingSidecars             int
}

// phase is a pod's phase by its container statuses; replaced are containers
// that start again whatever the policy.
func phase(pod *v1.Pod, s *v1.PodStatus, terminated bool, replaced map[string]bool) v1.PodPhase {
	t := tally{replaced: replaced}
	for i := range pod.Spec.InitContainers {
		t.addInit(&pod.Spec.InitContainers[i], pod, s)
	}
	for i := range pod.Spec.Containers {
		t.add(&pod.Spec.Containers[i], pod, find(s.ContainerStatuses, pod.Spec.Containers[i].Name))
	}
	switch {
	case t.failedInit > 0:
		return v1.PodFailed
	case terminated && t.stopped < len(pod.Spec.Containers):
		return v1.PodFailed // ended before all of it had run
	case t.pendingInit > 0, t.pendingSidecars > 0 && !anyRegularStarted(s), t.waiting > 0:
		return v1.PodPending
	case t.running > 0 && t.unknown == 0:
		return v1.PodRunning
	case t.stopped > 0 && t.unknown == 0:
		return t.ended(terminated)
	}
	return v1.PodPending
}

func (t *tally) ended(terminated bool) v1.PodPhase {
	switch {
	case !terminated && t.final < t.stopped:
		return v1.PodRunning // some will be started again
	case t.succeeded == t.stopped:
		return v1.PodSucceeded
	default:
		return v1.PodFailed
	}
}

func (t *tally) addInit(spec *v1.Container, pod *v1.Pod, s *v1.PodStatus) {
	status := find(s.InitContainerStatuses, spec.Name)
	if podutil.IsSidecar(spec) {
		t.addSidecar(status)
		return
	}
	end := endOf(status)
	switch {
	case end == nil:
		t.pendingInit++
	case end.ExitCode != 0 && !Restarts(spec, pod, end.ExitCode):
		t.failedInit++
	case end.ExitCode != 0:
		t.pendingInit++
	}
}

func (t *tally) addSidecar(s *v1.ContainerStatus) {
	switch {
	case s == nil:
		t.unknown++
	case s.State.Running != nil:
		if s.Started == nil || !*s.Started {
			t.pendingSidecars++
		}
		t.running++
	case s.State.Waiting != nil && s.LastTerminationState.Terminated == nil:
		t.pendingSidecars++
		t.waiting++
	}
}

func (t *tally) add(spec *v1.Container, pod *v1.Pod, s *v1.ContainerStatus) {
	if s == nil {
		t.unknown++
		return
	}
	if s.State.Running != nil {
		t.running++
		return
	}
	end := endOf(s)
	if end == nil {
		t.waiting++
		return
	}
	t.stopped++
	if !t.replaced[spec.Name] && !Restarts(spec, pod, end.ExitCode) {
		t.final++
	}
	if s.State.Terminated != nil && end.ExitCode == 0 {
		t.succeeded++
	}
}

// endOf is how a container that does not run has ended last, or nil.
func endOf(s *v1.ContainerStatus) *v1.ContainerStateTerminated {
	switch {
	case s == nil || s.State.Running != nil:
		return nil
	case s.State.Terminated != nil:
		return s.State.Terminated
	default:
		return s.LastTerminationState.Terminated
	}
}

func anyRegularStarted(s *v1.PodStatus) bool {
	for i := range s.ContainerStatuses {
		c := &s.ContainerStatuses[i]
		if c.State.Running != nil || c.State.Terminated != nil || c.LastTerminationState.Terminated != nil {
			return true
		}
	}
	return false
}

// Restarts says whether a container that ended with that code is started again:
// by its own rules, its own policy, or the pod's.
func Restarts(spec *v1.Container, pod *v1.Pod, exitCode int32) bool {
	for _, rule := range spec.RestartPolicyRules {
		if rule.Action == v1.ContainerRestartRuleActionRestart && matches(rule.ExitCodes, exitCode) {
			return true
		}
	}
	policy := v1.ContainerRestartPolicy(pod.Spec.RestartPolicy)
	if spec.RestartPolicy != nil {
		policy = *spec.RestartPolicy
	}
	switch policy {
	case v1.ContainerRestartPolicyNever:
		return false
	case v1.ContainerRestartPolicyOnFailure:
		return exitCode != 0
	}
	return true
}

func matches(codes *v1.ContainerRestartRuleOnExitCodes, code int32) bool {
	if codes == nil {
		return false
	}
	listed := false
	for _, c := range codes.Values {
		listed = listed || c == code
	}
	return listed == (codes.Operator == v1.ContainerRestartRuleOnExitCodesOpIn)
}
