package state

import (
	"maps"
	"slices"
	"strconv"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/utils/net"
)

// failureReasons are those that kube_pod_status_reason always has.
var failureReasons = []string{"Evicted", "NodeAffinity", "NodeLost", "Shutdown", "UnexpectedAdmissionError"}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// Pod emits everything about a pod and its containers.
func Pod(emit Emit, p *v1.Pod) {
	emit = emit.with("namespace", p.Namespace, "pod", p.Name, "uid", string(p.UID))
	podItself(emit, p)
	podTimes(emit, p)
	podStatus(emit, p)
	for _, c := range p.Spec.Containers {
		containerResources(emit, "kube_pod_container_", p, &c)
	}
	for _, c := range p.Spec.InitContainers {
		containerResources(emit, "kube_pod_init_container_", p, &c)
	}
	for i := range p.Status.ContainerStatuses {
		s := &p.Status.ContainerStatuses[i]
		containerStatus(emit, "kube_pod_container_", p.Spec.Containers, s)
		if r := s.State.Running; r != nil {
			emit.time("kube_pod_container_state_started", &r.StartedAt, "container", s.Name)
		}
		if t := s.LastTerminationState.Terminated; t != nil {
			emit("kube_pod_container_status_last_terminated_exitcode", float64(t.ExitCode), "container", s.Name)
		}
	}
	for i := range p.Status.InitContainerStatuses {
		containerStatus(emit, "kube_pod_init_container_", p.Spec.InitContainers, &p.Status.InitContainerStatuses[i])
	}
}

func podItself(emit Emit, p *v1.Pod) {
	creator := metav1.GetControllerOf(p)
	kind, name := "<none>", "<none>"
	if creator != nil {
		kind, name = creator.Kind, creator.Name
	}
	emit.one("kube_pod_info", "host_ip", p.Status.HostIP, "pod_ip", p.Status.PodIP, "node", p.Spec.NodeName,
		"created_by_kind", kind, "created_by_name", name, "priority_class", p.Spec.PriorityClassName,
		"host_network", strconv.FormatBool(p.Spec.HostNetwork))
	emit.owners("kube_pod_owner", p.OwnerReferences)
	emit.labels("kube_pod_labels", p.Labels)
	emit.one("kube_pod_restart_policy", "type", string(p.Spec.RestartPolicy))
	emit.one("kube_pod_service_account", "service_account", p.Spec.ServiceAccountName)
	for _, ip := range p.Status.PodIPs {
		family := "4"
		if utilnet.IsIPv6String(ip.IP) {
			family = "6"
		}
		emit.one("kube_pod_ips", "ip", ip.IP, "ip_family", family)
	}
	for _, v := range p.Spec.Volumes {
		if claim := v.PersistentVolumeClaim; claim != nil {
			emit.one("kube_pod_spec_volumes_persistentvolumeclaims_info", "volume", v.Name, "persistentvolumeclaim", claim.ClaimName)
		}
	}
}

func podTimes(emit Emit, p *v1.Pod) {
	emit.time("kube_pod_created", &p.CreationTimestamp)
	emit.time("kube_pod_start_time", p.Status.StartTime)
	emit.time("kube_pod_deletion_timestamp", p.DeletionTimestamp)
	for _, c := range p.Status.Conditions {
		if c.Status != v1.ConditionTrue {
			continue
		}
		switch c.Type {
		case v1.PodReady:
			emit.time("kube_pod_status_ready_time", &c.LastTransitionTime)
		case v1.PodScheduled:
			emit.time("kube_pod_status_scheduled_time", &c.LastTransitionTime)
		case v1.PodInitialized:
			emit.time("kube_pod_status_initialized_time", &c.LastTransitionTime)
		}
	}
	if p.Status.Phase == v1.PodSucceeded || p.Status.Phase == v1.PodFailed {
		emit.time("kube_pod_completion_time", lastEnd(p.Status.ContainerStatuses))
	}
}

func lastEnd(statuses []v1.ContainerStatus) *metav1.Time {
	var last *metav1.Time
	for i := range statuses {
		if t := statuses[i].State.Terminated; t != nil && (last == nil || last.Before(&t.FinishedAt)) {
			last = &t.FinishedAt
		}
	}
	return last
}

func podStatus(emit Emit, p *v1.Pod) {
	emit.choice("kube_pod_status_phase", "phase", string(p.Status.Phase), "Pending", "Succeeded", "Failed", "Running", "Unknown")
	emit.choice("kube_pod_status_reason", "reason", p.Status.Reason, failureReasons...)
	emit.choice("kube_pod_status_qos_class", "qos_class", string(p.Status.QOSClass), "BestEffort", "Burstable", "Guaranteed")
	for _, c := range p.Status.Conditions {
		switch c.Type {
		case v1.PodReady:
			emit.condition("kube_pod_status_ready", "condition", c.Status)
		case v1.PodScheduled:
			emit.condition("kube_pod_status_scheduled", "condition", c.Status)
			if c.Status == v1.ConditionFalse {
				emit.one("kube_pod_status_unschedulable")
			}
		}
	}
}

func containerResources(emit Emit, prefix string, p *v1.Pod, c *v1.Container) {
	emit.resources(prefix+"resource_requests", c.Resources.Requests, "container", c.Name, "node", p.Spec.NodeName)
	emit.resources(prefix+"resource_limits", c.Resources.Limits, "container", c.Name, "node", p.Spec.NodeName)
}

func containerStatus(emit Emit, prefix string, containers []v1.Container, s *v1.ContainerStatus) {
	emit = emit.with("container", s.Name)
	asked := ""
	for i := range containers {
		if containers[i].Name == s.Name {
			asked = containers[i].Image
		}
	}
	emit.one(prefix+"info", "image_spec", asked, "image", s.Image, "image_id", s.ImageID, "container_id", s.ContainerID)
	emit.flag(prefix+"status_waiting", s.State.Waiting != nil)
	emit.flag(prefix+"status_running", s.State.Running != nil)
	emit.flag(prefix+"status_terminated", s.State.Terminated != nil)
	emit.flag(prefix+"status_ready", s.Ready)
	emit(prefix+"status_restarts_total", float64(s.RestartCount))
	if w := s.State.Waiting; w != nil && w.Reason != "" {
		emit.one(prefix+"status_waiting_reason", "reason", w.Reason)
	}
	if t := s.State.Terminated; t != nil && t.Reason != "" {
		emit.one(prefix+"status_terminated_reason", "reason", t.Reason)
	}
	if t := s.LastTerminationState.Terminated; t != nil && t.Reason != "" {
		emit.one(prefix+"status_last_terminated_reason", "reason", t.Reason)
	}
}
