package validation

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateSpreadConstraints checks how pods are to be spread.
func validateSpreadConstraints(constraints []v1.TopologySpreadConstraint, path *field.Path) (errs field.ErrorList) {
	for i := range constraints {
		errs = append(errs, validateSpreadConstraint(&constraints[i], constraints[i+1:], path.Index(i))...)
	}
	return errs
}

// validateSpreadConstraint checks one constraint; the rest must not repeat it.
func validateSpreadConstraint(c *v1.TopologySpreadConstraint, rest []v1.TopologySpreadConstraint, path *field.Path) field.ErrorList {
	errs := slices.Concat(
		validatePositive(int64(c.MaxSkew), path.Child("maxSkew")),
		required(path.Child("topologyKey"), c.TopologyKey, "can not be empty"),
		oneOf(path.Child("whenUnsatisfiable"), c.WhenUnsatisfiable, v1.DoNotSchedule, v1.ScheduleAnyway))
	same := func(o v1.TopologySpreadConstraint) bool {
		return o.TopologyKey == c.TopologyKey && o.WhenUnsatisfiable == c.WhenUnsatisfiable
	}
	if slices.ContainsFunc(rest, same) {
		pair := fmt.Sprintf("{%v, %v}", c.TopologyKey, c.WhenUnsatisfiable)
		errs = append(errs, field.Duplicate(path.Child("{topologyKey, whenUnsatisfiable}"), pair))
	}
	return slices.Concat(errs,
		validateMinDomains(c, path.Child("minDomains")),
		validateInclusion(c.NodeAffinityPolicy, path.Child("nodeAffinityPolicy")),
		validateInclusion(c.NodeTaintsPolicy, path.Child("nodeTaintsPolicy")),
		validateMatchKeys(c.MatchLabelKeys, nil, c.LabelSelector, path),
		validateLabelSelector(c.LabelSelector, path.Child("labelSelector")))
}

func validateMinDomains(c *v1.TopologySpreadConstraint, path *field.Path) field.ErrorList {
	if c.MinDomains == nil {
		return nil
	}
	errs := validatePositive(int64(*c.MinDomains), path)
	if c.WhenUnsatisfiable != v1.DoNotSchedule {
		detail := fmt.Sprintf("can only use minDomains if whenUnsatisfiable=%s, not %s", v1.DoNotSchedule, c.WhenUnsatisfiable)
		errs = append(errs, field.Invalid(path, *c.MinDomains, detail))
	}
	return errs
}

func validateInclusion(policy *v1.NodeInclusionPolicy, path *field.Path) field.ErrorList {
	if policy == nil {
		return nil
	}
	return oneOf(path, *policy, v1.NodeInclusionPolicyIgnore, v1.NodeInclusionPolicyHonor)
}

// validateTolerations checks which taints a pod tolerates.
func validateTolerations(tolerations []v1.Toleration, path *field.Path) (errs field.ErrorList) {
	for i := range tolerations {
		errs = append(errs, validateToleration(&tolerations[i], path.Index(i))...)
	}
	return errs
}

func validateToleration(t *v1.Toleration, path *field.Path) (errs field.ErrorList) {
	if t.Key != "" {
		errs = append(errs, metavalidation.ValidateLabelName(t.Key, path.Child("key"))...)
	}
	operator := path.Child("operator")
	if t.Key == "" && t.Operator != v1.TolerationOpExists {
		errs = append(errs, field.Invalid(operator, t.Operator, "operator must be Exists when `key` is empty, which means \"match all values and all keys\""))
	}
	if t.TolerationSeconds != nil && t.Effect != v1.TaintEffectNoExecute {
		errs = append(errs, field.Invalid(path.Child("effect"), t.Effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"))
	}
	switch t.Operator {
	case v1.TolerationOpEqual, "":
		if problems := validation.IsValidLabelValue(t.Value); len(problems) > 0 {
			errs = append(errs, field.Invalid(operator, t.Value, strings.Join(problems, ";")))
		}
	case v1.TolerationOpExists:
		if t.Value != "" {
			errs = append(errs, field.Invalid(operator, t.Value, "value must be empty when `operator` is 'Exists'"))
		}
	default:
		errs = append(errs, field.NotSupported(operator, t.Operator, []v1.TolerationOperator{v1.TolerationOpEqual, v1.TolerationOpExists}))
	}
	if t.Effect == "" {
		return errs
	}
	return append(errs, validateTaintEffect(t.Effect, path.Child("effect"))...)
}

// validateTaintEffect checks what a taint does, which must be given.
func validateTaintEffect(effect v1.TaintEffect, path *field.Path) field.ErrorList {
	return requiredOneOf(path, effect, v1.TaintEffectNoSchedule, v1.TaintEffectPreferNoSchedule, v1.TaintEffectNoExecute)
}
