package validation

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// ValidatePodStatusUpdate checks a change of a pod's status: a container that
// has ended for good stays so, and the class of service never changes.
func ValidatePodStatusUpdate(pod, old *v1.Pod) field.ErrorList {
	meta, path := field.NewPath("metadata"), field.NewPath("status")
	status, before := &pod.Status, &old.Status
	return slices.Concat(
		validateMetaUpdate(&pod.ObjectMeta, &old.ObjectMeta, meta),
		validateAnnotationsUpdate(pod, old, meta.Child("annotations")),
		validatePodConditions(status.Conditions, path.Child("conditions")),
		validateNominated(pod, old, path),
		validateGeneration(status.ObservedGeneration, path.Child("observedGeneration")),
		validateImmutable(status.QOSClass, before.QOSClass, path.Child("qosClass")),
		validateEnded(status.ContainerStatuses, before.ContainerStatuses, restartable(&old.Spec), path.Child("containerStatuses")),
		validateEnded(status.InitContainerStatuses, before.InitContainerStatuses, initRestartable(&old.Spec), path.Child("initContainerStatuses")),
		validateEnded(status.EphemeralContainerStatuses, before.EphemeralContainerStatuses, never, path.Child("ephemeralContainerStatuses")),
		validateClaimStatuses(pod, path.Child("resourceClaimStatuses")),
		validatePodAddresses(pod, old, path),
		validateStatuses(status.ContainerStatuses, pod.Spec.Containers, &pod.Spec, path.Child("containerStatuses")),
		validateStatuses(status.InitContainerStatuses, pod.Spec.InitContainers, &pod.Spec, path.Child("initContainerStatuses")),
		validateEphemeralStatuses(status.EphemeralContainerStatuses, &pod.Spec, path.Child("ephemeralContainerStatuses")),
	)
}

func validatePodConditions(conditions []v1.PodCondition, path *field.Path) (errs field.ErrorList) {
	for i, condition := range conditions {
		errs = append(errs, validateGeneration(condition.ObservedGeneration, path.Index(i).Child("observedGeneration"))...)
		switch condition.Type {
		case v1.PodScheduled, v1.PodReady, v1.PodInitialized:
		default:
			errs = append(errs, validateQualifiedName(string(condition.Type), path.Index(i).Child("Type"))...)
		}
	}
	return errs
}

func validateGeneration(generation int64, path *field.Path) field.ErrorList {
	if generation >= 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, generation, "must be a non-negative integer")}
}

// validateNominated checks the node, and the one that a pod which displaces
// others waits for.
func validateNominated(pod, old *v1.Pod, path *field.Path) (errs field.ErrorList) {
	if pod.Spec.NodeName != old.Spec.NodeName {
		errs = append(errs, field.Forbidden(path.Child("nodeName"), "may not be changed directly"))
	}
	name := pod.Status.NominatedNodeName
	if name == "" || name == old.Status.NominatedNodeName {
		return errs
	}
	at := path.Child("nominatedNodeName")
	errs = append(errs, validateName(name, apivalidation.NameIsDNSSubdomain, at)...)
	if old.Spec.NodeName != "" {
		errs = append(errs, field.Forbidden(at, "may not be set on pods that are already bound to a node"))
	}
	return errs
}

// mayRestart tells whether the container of that name may run again after it
// ended with that code.
type mayRestart func(name string, code int32) bool

func never(string, int32) bool { return false }

// restartable is the rule of ordinary containers.
func restartable(spec *v1.PodSpec) mayRestart {
	return func(name string, code int32) bool {
		for i := range spec.Containers {
			if spec.Containers[i].Name == name {
				return podutil.ShouldRestart(&spec.Containers[i], spec, code)
			}
		}
		return podutil.ShouldRestart(&v1.Container{}, spec, code)
	}
}

// initRestartable is the rule of init containers: sidecars always, others like
// the pod.
func initRestartable(spec *v1.PodSpec) mayRestart {
	return func(name string, code int32) bool {
		if spec.RestartPolicy == v1.RestartPolicyAlways || spec.RestartPolicy == v1.RestartPolicyOnFailure && code != 0 {
			return true
		}
		for i := range spec.InitContainers {
			if spec.InitContainers[i].Name == name {
				return podutil.IsSidecar(&spec.InitContainers[i])
			}
		}
		return false
	}
}

func validateEnded(new, old []v1.ContainerStatus, again mayRestart, path *field.Path) (errs field.ErrorList) {
	for i := range old {
		ended := old[i].State.Terminated
		if ended == nil || again(old[i].Name, ended.ExitCode) {
			continue
		}
		for j := range new {
			if new[j].Name == old[i].Name && new[j].State.Terminated == nil {
				errs = append(errs, field.Forbidden(path.Index(i).Child("state"), "may not be transitioned to non-terminated state"))
			}
		}
	}
	return errs
}

func validateClaimStatuses(pod *v1.Pod, path *field.Path) (errs field.ErrorList) {
	seen := map[string]bool{}
	for i, status := range pod.Status.ResourceClaimStatuses {
		at := path.Index(i).Child("name")
		if !slices.ContainsFunc(pod.Spec.ResourceClaims, func(c v1.PodResourceClaim) bool { return c.Name == status.Name }) {
			errs = append(errs, field.Invalid(at, status.Name, "must match the name of an entry in `spec.resourceClaims`"))
		}
		if seen[status.Name] {
			errs = append(errs, field.Duplicate(at, status.Name))
		}
		seen[status.Name] = true
		if name := status.ResourceClaimName; name != nil {
			errs = append(errs, validateName(*name, apivalidation.NameIsDNSSubdomain, at)...)
		}
	}
	return errs
}

// validatePodAddresses checks the addresses of pod and host; those that were
// there before stay whatever they are.
func validatePodAddresses(pod, old *v1.Pod, path *field.Path) (errs field.ErrorList) {
	list := func(count int, at func(int) string) []string {
		addresses := make([]string, count)
		for i := range addresses {
			addresses[i] = at(i)
		}
		return addresses
	}
	podIPs := func(s *v1.PodStatus) []string {
		return list(len(s.PodIPs), func(i int) string { return s.PodIPs[i].IP })
	}
	hostIPs := func(s *v1.PodStatus) []string {
		return list(len(s.HostIPs), func(i int) string { return s.HostIPs[i].IP })
	}

	errs = validateFamilies(podIPs(&pod.Status), podIPs(&old.Status), pod.Status.PodIPs, path.Child("podIPs"))
	if hosts := pod.Status.HostIPs; len(hosts) > 0 && pod.Status.HostIP != hosts[0].IP {
		errs = append(errs, field.Invalid(path.Child("hostIPs").Index(0).Child("ip"), hosts[0].IP, "must be equal to `hostIP`"))
	}
	return append(errs, validateFamilies(hostIPs(&pod.Status), hostIPs(&old.Status), pod.Status.HostIPs, path.Child("hostIPs"))...)
}

// validateFamilies checks that there is one address of each family at most.
func validateFamilies(addresses, old []string, value any, path *field.Path) (errs field.ErrorList) {
	for i, address := range addresses {
		errs = append(errs, validateAddress(address, old, path.Index(i))...)
	}
	if len(addresses) < 2 {
		return errs
	}
	dual, err := netutils.IsDualStackIPStrings(addresses)
	if err != nil {
		errs = append(errs, field.InternalError(path, fmt.Errorf("failed to check for dual stack with error:%w", err)))
	}
	if !dual || len(addresses) > 2 {
		errs = append(errs, field.Invalid(path, value, "may specify no more than one IP for each IP family"))
	}
	return errs
}

func validateStatuses(statuses []v1.ContainerStatus, containers []v1.Container, spec *v1.PodSpec, path *field.Path) (errs field.ErrorList) {
	for i := range statuses {
		status, at := &statuses[i], path.Index(i)
		errs = append(errs, validateStatusUser(status.User, spec, at.Child("user", "linux"))...)
		for j := range status.AllocatedResourcesStatus {
			errs = append(errs, validateAllocated(&status.AllocatedResourcesStatus[j], status.Name, containers, at.Child("allocatedResourcesStatus").Index(j))...)
		}
	}
	return errs
}

func validateEphemeralStatuses(statuses []v1.ContainerStatus, spec *v1.PodSpec, path *field.Path) (errs field.ErrorList) {
	for i := range statuses {
		errs = append(errs, validateStatusUser(statuses[i].User, spec, path.Index(i).Child("user", "linux"))...)
		if len(statuses[i].AllocatedResourcesStatus) > 0 {
			errs = append(errs, field.Forbidden(path.Index(i).Child("allocatedResourcesStatus"), "must not be specified in container status"))
		}
	}
	return errs
}

func validateStatusUser(user *v1.ContainerUser, spec *v1.PodSpec, path *field.Path) (errs field.ErrorList) {
	if user == nil || user.Linux == nil {
		return nil
	}
	if isWindows(spec) {
		return field.ErrorList{field.Forbidden(path, "cannot be set for a windows pod")}
	}
	errs = slices.Concat(
		validateID(&user.Linux.UID, validation.IsValidUserID, path.Child("uid")),
		validateID(&user.Linux.GID, validation.IsValidGroupID, path.Child("gid")))
	for i := range user.Linux.SupplementalGroups {
		errs = append(errs, validateID(&user.Linux.SupplementalGroups[i], validation.IsValidGroupID, path.Child("supplementalGroups").Index(i))...)
	}
	return errs
}

// validateAllocated checks the health of a resource that a container of that
// name has been given.
func validateAllocated(r *v1.ResourceStatus, container string, containers []v1.Container, path *field.Path) (errs field.ErrorList) {
	for i := range containers {
		if containers[i].Name == container {
			errs = append(errs, validateAsked(r.Name, &containers[i].Resources, path.Child("name"))...)
			break
		}
	}
	seen := map[v1.ResourceID]bool{}
	for i, unit := range r.Resources {
		at := path.Child("resources").Index(i)
		errs = append(errs, oneOf(at.Child("health"), unit.Health, v1.ResourceHealthStatusHealthy, v1.ResourceHealthStatusUnhealthy, v1.ResourceHealthStatusUnknown)...)
		if seen[unit.ResourceID] {
			errs = append(errs, field.Duplicate(at.Child("resourceID"), unit.ResourceID))
		}
		seen[unit.ResourceID] = true
	}
	return errs
}

func validateAsked(name v1.ResourceName, asked *v1.ResourceRequirements, path *field.Path) field.ErrorList {
	claim, ok := strings.CutPrefix(string(name), "claim:")
	if !ok {
		if _, ok := asked.Requests[name]; ok {
			return nil
		}
		return field.ErrorList{field.Invalid(path, name, "must match one of the container's resource requests")}
	}
	same := func(c v1.ResourceClaim) bool {
		return c.Name == claim && c.Request == "" || c.Request != "" && c.Name+"/"+c.Request == claim
	}
	if slices.ContainsFunc(asked.Claims, same) {
		return nil
	}
	return field.ErrorList{field.Invalid(path, name, "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty")}
}
