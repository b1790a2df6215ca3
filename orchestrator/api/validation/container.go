package validation

import (
	"fmt"
	"reflect"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// validateContainers checks the ordinary containers.
func (c *specCheck) validateContainers(path *field.Path) (errs field.ErrorList) {
	if len(c.spec.Containers) == 0 {
		return field.ErrorList{field.Required(path, "")}
	}
	names := map[string]bool{}
	for i := range c.spec.Containers {
		container, at := &c.spec.Containers[i], path.Index(i)
		errs = append(errs, c.validateContainer(container, at)...)
		if names[container.Name] {
			errs = append(errs, field.Duplicate(at.Child("name"), container.Name))
		}
		names[container.Name] = true
		errs = append(errs, c.validateLifecycle(container, at)...)
		errs = append(errs, validateRestartRules(container.RestartPolicy, container.RestartPolicyRules, at)...)
	}
	return append(errs, validateHostPortConflicts(c.spec.Containers, path)...)
}

// validateInitContainers checks the init containers, sidecars among them.
func (c *specCheck) validateInitContainers(path *field.Path) (errs field.ErrorList) {
	names := containerNames(c.spec.Containers)
	for i := range c.spec.InitContainers {
		container, at := &c.spec.InitContainers[i], path.Index(i)
		errs = append(errs, c.validateContainer(container, at)...)
		errs = append(errs, validateInitRestart(container, at)...)
		if names[container.Name] {
			errs = append(errs, field.Duplicate(at.Child("name"), container.Name))
		} else if container.Name != "" {
			names[container.Name] = true
		}
		// They run one by one, so that ports conflict only within one.
		errs = append(errs, validateHostPortConflicts(c.spec.InitContainers[i:i+1], path)...)
		if podutil.IsSidecar(container) {
			errs = append(errs, c.validateLifecycle(container, at)...)
		} else {
			errs = append(errs, forbidLifecycle(container, at)...)
		}
	}
	return errs
}

// forbidLifecycle checks that an init container which ends has no probes and hooks.
func forbidLifecycle(c *v1.Container, path *field.Path) (errs field.ErrorList) {
	const detail = "may not be set for init containers without restartPolicy=Always"
	if c.Lifecycle != nil {
		errs = append(errs, field.Forbidden(path.Child("lifecycle"), detail))
	}
	if c.LivenessProbe != nil {
		errs = append(errs, field.Forbidden(path.Child("livenessProbe"), detail))
	}
	if c.ReadinessProbe != nil {
		errs = append(errs, field.Forbidden(path.Child("readinessProbe"), detail))
	}
	if c.StartupProbe != nil {
		errs = append(errs, field.Forbidden(path.Child("startupProbe"), detail))
	}
	return errs
}

// validateEphemeralContainers checks the containers added for debugging.
func (c *specCheck) validateEphemeralContainers(path *field.Path) (errs field.ErrorList) {
	if len(c.spec.EphemeralContainers) == 0 {
		return nil
	}
	others := containerNames(c.spec.Containers, c.spec.InitContainers)
	names := containerNames(c.spec.Containers, c.spec.InitContainers)
	for i := range c.spec.EphemeralContainers {
		ephemeral, at := &c.spec.EphemeralContainers[i], path.Index(i)
		container := (*v1.Container)(&ephemeral.EphemeralContainerCommon)
		errs = append(errs, c.validateContainer(container, at)...)
		errs = append(errs, validateImageTrimmed(container.Image, at)...)
		if names[ephemeral.Name] {
			errs = append(errs, field.Duplicate(at.Child("name"), ephemeral.Name))
		}
		names[ephemeral.Name] = true
		if target := ephemeral.TargetContainerName; target != "" && !others[target] {
			errs = append(errs, field.NotFound(at.Child("targetContainerName"), target))
		}
		errs = append(errs, forbidForEphemeral(container, at)...)
	}
	return errs
}

// forbidForEphemeral checks that a container for debugging provides no service:
// it must not have what one needs.
func forbidForEphemeral(c *v1.Container, path *field.Path) (errs field.ErrorList) {
	const detail = "cannot be set for an Ephemeral Container"
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"ports", c.Ports != nil},
		{"resources", !reflect.ValueOf(c.Resources).IsZero()},
		{"resizePolicy", c.ResizePolicy != nil},
		{"restartPolicy", c.RestartPolicy != nil},
		{"restartPolicyRules", c.RestartPolicyRules != nil},
		{"livenessProbe", c.LivenessProbe != nil},
		{"readinessProbe", c.ReadinessProbe != nil},
		{"startupProbe", c.StartupProbe != nil},
		{"lifecycle", c.Lifecycle != nil},
	} {
		if f.set {
			errs = append(errs, field.Forbidden(path.Child(f.name), detail))
		}
	}
	for i, mount := range c.VolumeMounts {
		at := path.Child("volumeMounts").Index(i)
		if mount.SubPath != "" {
			errs = append(errs, field.Forbidden(at.Child("subPath"), detail))
		}
		if mount.SubPathExpr != "" {
			errs = append(errs, field.Forbidden(at.Child("subPathExpr"), detail))
		}
	}
	return errs
}

func containerNames(lists ...[]v1.Container) map[string]bool {
	names := map[string]bool{}
	for _, list := range lists {
		for i := range list {
			names[list[i].Name] = true
		}
	}
	return names
}

// validateContainer checks what holds for containers of all kinds.
func (c *specCheck) validateContainer(container *v1.Container, path *field.Path) field.ErrorList {
	name := required(path.Child("name"), container.Name, "")
	if name == nil {
		name = validateDNSLabel(container.Name, path.Child("name"))
	}
	return slices.Concat(name,
		required(path.Child("image"), container.Image, ""),
		requiredOneOf(path.Child("terminationMessagePolicy"), container.TerminationMessagePolicy,
			v1.TerminationMessageReadFile, v1.TerminationMessageFallbackToLogsOnError),
		validateContainerPorts(container.Ports, path.Child("ports")),
		validateEnv(container.Env, path.Child("env")),
		validateEnvFrom(container.EnvFrom, path.Child("envFrom")),
		c.validateMounts(container, path.Child("volumeMounts")),
		c.validateDevices(container, path.Child("volumeDevices")),
		validatePullPolicy(container.ImagePullPolicy, path.Child("imagePullPolicy")),
		c.validateContainerResources(&container.Resources, path.Child("resources")),
		c.validateResizePolicy(container.ResizePolicy, path.Child("resizePolicy")),
		c.validateContainerSecurity(container.SecurityContext, path.Child("securityContext")))
}

func validatePullPolicy(policy v1.PullPolicy, path *field.Path) field.ErrorList {
	return requiredOneOf(path, policy, v1.PullAlways, v1.PullIfNotPresent, v1.PullNever)
}

func validateContainerPorts(ports []v1.ContainerPort, path *field.Path) (errs field.ErrorList) {
	names := map[string]bool{}
	for i := range ports {
		port, at := &ports[i], path.Index(i)
		if port.Name != "" {
			problems := invalid(at.Child("name"), port.Name, validation.IsValidPortName(port.Name))
			if len(problems) == 0 && names[port.Name] {
				problems = field.ErrorList{field.Duplicate(at.Child("name"), port.Name)}
			}
			names[port.Name] = true
			errs = append(errs, problems...)
		}
		if port.ContainerPort == 0 {
			errs = append(errs, field.Required(at.Child("containerPort"), ""))
		} else {
			errs = append(errs, validatePort(port.ContainerPort, at.Child("containerPort"))...)
		}
		if port.HostPort != 0 {
			errs = append(errs, validatePort(port.HostPort, at.Child("hostPort"))...)
		}
		errs = append(errs, validateProtocol(port.Protocol, at.Child("protocol"))...)
	}
	return errs
}

// validateHostPortConflicts checks that no port of the host is taken twice.
func validateHostPortConflicts(containers []v1.Container, path *field.Path) (errs field.ErrorList) {
	var taken map[string]bool
	for i := range containers {
		for j, port := range containers[i].Ports {
			if port.HostPort == 0 {
				continue
			}
			key := fmt.Sprintf("%s/%s/%d", port.Protocol, port.HostIP, port.HostPort)
			if taken[key] {
				errs = append(errs, field.Duplicate(path.Index(i).Child("ports").Index(j).Child("hostPort"), key))
				continue
			}
			if taken == nil {
				taken = map[string]bool{}
			}
			taken[key] = true
		}
	}
	return errs
}

// validateInitRestart checks the restart policy of an init container.
func validateInitRestart(c *v1.Container, path *field.Path) field.ErrorList {
	switch {
	case c.RestartPolicy == nil:
		return nil
	case *c.RestartPolicy != v1.ContainerRestartPolicyAlways:
		return validateRestartRules(c.RestartPolicy, c.RestartPolicyRules, path)
	case len(c.RestartPolicyRules) > 0:
		return field.ErrorList{field.Forbidden(path.Child("restartPolicyRules"), "restartPolicyRules are not allowed for init containers with restart policy Always")}
	}
	return nil
}

// validateRestartRules checks a container's own restart policy and its rules.
func validateRestartRules(policy *v1.ContainerRestartPolicy, rules []v1.ContainerRestartRule, path *field.Path) (errs field.ErrorList) {
	if policy == nil && len(rules) == 0 {
		return nil
	}
	if policy == nil {
		errs = append(errs, field.Required(path.Child("restartPolicy"), "must specify restartPolicy when restart rules are used"))
	} else {
		errs = append(errs, oneOf(path.Child("restartPolicy"), *policy,
			v1.ContainerRestartPolicyAlways, v1.ContainerRestartPolicyNever, v1.ContainerRestartPolicyOnFailure)...)
	}
	path = path.Child("restartPolicyRules")
	if len(rules) > 20 {
		errs = append(errs, field.TooLong(path, rules, 20))
	}
	for i := range rules {
		errs = append(errs, validateRestartRule(&rules[i], path.Index(i))...)
	}
	return errs
}

func validateRestartRule(rule *v1.ContainerRestartRule, path *field.Path) field.ErrorList {
	errs := oneOf(path.Child("action"), rule.Action, v1.ContainerRestartRuleActionRestart)
	if rule.ExitCodes == nil {
		return append(errs, field.Required(path.Child("exitCodes"), "must be specified"))
	}
	path = path.Child("exitCodes")
	errs = append(errs, oneOf(path.Child("operator"), rule.ExitCodes.Operator, v1.ContainerRestartRuleOnExitCodesOpIn, v1.ContainerRestartRuleOnExitCodesOpNotIn)...)
	if len(rule.ExitCodes.Values) > 255 {
		errs = append(errs, field.TooLong(path.Child("values"), rule.ExitCodes.Values, 255))
	}
	return errs
}
