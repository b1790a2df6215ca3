package defaults

import (
	"maps"

	v1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"
)

func setPod(pod *v1.Pod) {
	pod.Annotations = withoutInitAnnotations(pod.Annotations)
	requestLimits(pod.Spec.Containers)
	requestLimits(pod.Spec.InitContainers)
	limitHugePagesOfPod(pod)
	requestForPod(pod)
	orNew(&pod.Spec.EnableServiceLinks, v1.DefaultEnableServiceLinks)
	if pod.Spec.HostNetwork {
		useHostPorts(pod.Spec.Containers)
		useHostPorts(pod.Spec.InitContainers)
	}
	if grace := pod.Spec.TerminationGracePeriodSeconds; grace != nil && *grace < 0 {
		one := int64(1)
		pod.Spec.TerminationGracePeriodSeconds = &one
	}
	setPodSpec(&pod.Spec)
	setPodStatus(&pod.Status)
}

func setPodTemplate(t *v1.PodTemplate) { setTemplate(&t.Template) }

// setTemplate sets what templates have of pods: the defaults that depend on the
// whole pod are set when one is made.
func setTemplate(t *v1.PodTemplateSpec) {
	t.Annotations = withoutInitAnnotations(t.Annotations)
	setPodSpec(&t.Spec)
}

func setPodSpec(spec *v1.PodSpec) {
	orDefault(&spec.DNSPolicy, v1.DNSClusterFirst)
	orDefault(&spec.RestartPolicy, v1.RestartPolicyAlways)
	orDefault(&spec.SchedulerName, v1.DefaultSchedulerName)
	orNew(&spec.SecurityContext, v1.PodSecurityContext{})
	orNew(&spec.TerminationGracePeriodSeconds, v1.DefaultTerminationGracePeriodSeconds)
	orDefault(&spec.ServiceAccountName, spec.DeprecatedServiceAccount)
	spec.DeprecatedServiceAccount = spec.ServiceAccountName
	each(spec.Volumes, setVolume)
	each(spec.InitContainers, setContainer)
	each(spec.Containers, setContainer)
	each(spec.EphemeralContainers, func(c *v1.EphemeralContainer) {
		setContainer((*v1.Container)(&c.EphemeralContainerCommon))
	})
	roundUp(spec.Overhead)
	if spec.Resources != nil {
		roundUpBoth(spec.Resources)
	}
}

// setPodStatus makes podIP and podIPs agree, the former deciding.
func setPodStatus(status *v1.PodStatus) {
	switch {
	case status.PodIP != "" && (len(status.PodIPs) == 0 || status.PodIPs[0].IP != status.PodIP):
		status.PodIPs = []v1.PodIP{{IP: status.PodIP}}
	case status.PodIP == "" && len(status.PodIPs) > 0:
		status.PodIP = status.PodIPs[0].IP
	}
	each(status.InitContainerStatuses, setContainerStatus)
	each(status.ContainerStatuses, setContainerStatus)
	each(status.EphemeralContainerStatuses, setContainerStatus)
}

func setContainerStatus(status *v1.ContainerStatus) {
	roundUp(status.AllocatedResources)
	if status.Resources != nil {
		roundUpBoth(status.Resources)
	}
}

// requestLimits requests what is limited where no request is made.
func requestLimits(containers []v1.Container) {
	for i := range containers {
		r := &containers[i].Resources
		if r.Limits == nil {
			continue
		}
		if r.Requests == nil {
			r.Requests = make(v1.ResourceList, len(r.Limits))
		}
		addMissing(r.Requests, r.Limits)
	}
}

// addMissing copies those quantities that the first list does not name.
func addMissing(to, from v1.ResourceList) {
	for name, quantity := range from {
		if _, ok := to[name]; !ok {
			to[name] = quantity.DeepCopy()
		}
	}
}

// limitHugePagesOfPod gives a pod that has resources of its own a limit of huge
// pages from those of its containers, unless it requests them itself.
func limitHugePagesOfPod(pod *v1.Pod) {
	whole := pod.Spec.Resources
	if whole == nil || len(whole.Limits)+len(whole.Requests) == 0 {
		return
	}
	limits := resourcehelper.AggregateContainerLimits(pod, resourcehelper.PodResourcesOptions{})
	maps.DeleteFunc(limits, func(name v1.ResourceName, _ quantity) bool {
		_, requested := whole.Requests[name]
		return requested || !isHugePages(name)
	})
	if len(limits) > 0 && whole.Limits == nil {
		whole.Limits = v1.ResourceList{}
	}
	addMissing(whole.Limits, limits)
}

// requestForPod gives a pod with limits of its own the requests of its
// containers together, and its limits where these make none.
func requestForPod(pod *v1.Pod) {
	whole := pod.Spec.Resources
	if whole == nil || len(whole.Limits) == 0 {
		return
	}
	requests := resourcehelper.AggregateContainerRequests(pod, resourcehelper.PodResourcesOptions{})
	maps.DeleteFunc(requests, func(name v1.ResourceName, _ quantity) bool {
		return isHugePages(name) || !resourcehelper.IsSupportedPodLevelResource(name)
	})
	if whole.Requests == nil {
		whole.Requests = v1.ResourceList{}
	}
	addMissing(whole.Requests, requests)
	for name, limit := range whole.Limits {
		if resourcehelper.IsSupportedPodLevelResource(name) {
			addMissing(whole.Requests, v1.ResourceList{name: limit})
		}
	}
	if len(whole.Requests) == 0 {
		whole.Requests = nil
	}
}

// useHostPorts makes every port of a container on the host's network that port
// of the host.
func useHostPorts(containers []v1.Container) {
	for i := range containers {
		each(containers[i].Ports, func(p *v1.ContainerPort) { orDefault(&p.HostPort, p.ContainerPort) })
	}
}

// withoutInitAnnotations are the annotations without those in which early
// versions of Kubernetes kept init containers.
func withoutInitAnnotations(annotations map[string]string) map[string]string {
	for _, name := range [4]string{
		"pod.beta.kubernetes.io/init-containers", "pod.beta.kubernetes.io/init-container-statuses",
		"pod.alpha.kubernetes.io/init-containers", "pod.alpha.kubernetes.io/init-container-statuses",
	} {
		delete(annotations, name)
	}
	return annotations
}

// setPodLogOptions asks for both streams where none is named.
func setPodLogOptions(o *v1.PodLogOptions) {
	orNew(&o.Stream, v1.LogStreamAll)
}
