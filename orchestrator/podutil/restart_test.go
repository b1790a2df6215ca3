package podutil_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

func TestShouldRestart(t *testing.T) {
	never, onFailure := v1.ContainerRestartPolicyNever, v1.ContainerRestartPolicyOnFailure
	rule := func(op v1.ContainerRestartRuleOnExitCodesOperator, codes ...int32) []v1.ContainerRestartRule {
		return []v1.ContainerRestartRule{{
			Action:    v1.ContainerRestartRuleActionRestart,
			ExitCodes: &v1.ContainerRestartRuleOnExitCodes{Operator: op, Values: codes},
		}}
	}
	in, notIn := v1.ContainerRestartRuleOnExitCodesOpIn, v1.ContainerRestartRuleOnExitCodesOpNotIn
	for name, row := range map[string]struct {
		pod       v1.RestartPolicy
		container v1.Container
		zero, one bool // after codes 0 and 1
	}{
		"always":                     {v1.RestartPolicyAlways, v1.Container{}, true, true},
		"on failure":                 {v1.RestartPolicyOnFailure, v1.Container{}, false, true},
		"never":                      {v1.RestartPolicyNever, v1.Container{}, false, false},
		"own policy first":           {v1.RestartPolicyAlways, v1.Container{RestartPolicy: &never}, false, false},
		"own policy, on failure":     {v1.RestartPolicyNever, v1.Container{RestartPolicy: &onFailure}, false, true},
		"rule with listed code":      {v1.RestartPolicyAlways, v1.Container{RestartPolicy: &never, RestartPolicyRules: rule(in, 1)}, false, true},
		"rule with code not listed":  {v1.RestartPolicyAlways, v1.Container{RestartPolicy: &never, RestartPolicyRules: rule(notIn, 1)}, true, false},
		"rules without policy":       {v1.RestartPolicyNever, v1.Container{RestartPolicyRules: rule(in, 1)}, false, false},
		"rule with unknown operator": {v1.RestartPolicyAlways, v1.Container{RestartPolicy: &never, RestartPolicyRules: rule("", 1)}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			spec := &v1.PodSpec{RestartPolicy: row.pod}
			require.Equal(t, row.zero, podutil.ShouldRestart(&row.container, spec, 0))
			require.Equal(t, row.one, podutil.ShouldRestart(&row.container, spec, 1))
		})
	}
}
