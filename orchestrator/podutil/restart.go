package podutil

import (
	"slices"

	v1 "k8s.io/api/core/v1"
)

// ShouldRestart tells whether a container of a pod is to run again after it
// ended with that code: by the first of its rules that matches, else by its own
// restart policy, else by the pod's.
func ShouldRestart(c *v1.Container, spec *v1.PodSpec, code int32) bool {
	if c.RestartPolicy == nil {
		return restartsBy(string(spec.RestartPolicy), code)
	}
	if slices.ContainsFunc(c.RestartPolicyRules, func(r v1.ContainerRestartRule) bool { return restartsByRule(&r, code) }) {
		return true
	}
	return restartsBy(string(*c.RestartPolicy), code)
}

// restartsBy takes a policy that is not known for Always.
func restartsBy(policy string, code int32) bool {
	switch policy {
	case string(v1.RestartPolicyNever):
		return false
	case string(v1.RestartPolicyOnFailure):
		return code != 0
	}
	return true
}

func restartsByRule(r *v1.ContainerRestartRule, code int32) bool {
	if r.ExitCodes == nil || r.Action != v1.ContainerRestartRuleActionRestart {
		return false
	}
	listed := slices.Contains(r.ExitCodes.Values, code)
	switch r.ExitCodes.Operator {
	case v1.ContainerRestartRuleOnExitCodesOpIn:
		return listed
	case v1.ContainerRestartRuleOnExitCodesOpNotIn:
		return !listed
	}
	return false
}
