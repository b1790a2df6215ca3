package observed

import (
	"encoding/json"
	"hash/fnv"
	"maps"
	"strconv"

	v1 "k8s.io/api/core/v1"
)

// Labels and annotations of sandboxes and containers, named as the kubelet
// names them, so that tools which know them (crictl, collectors) find their way.
const (
	LabelPodName       = "io.kubernetes.pod.name"
	LabelPodNamespace  = "io.kubernetes.pod.namespace"
	LabelPodUID        = "io.kubernetes.pod.uid"
	LabelContainerName = "io.kubernetes.container.name"

	annotationHash             = "io.kubernetes.container.hash"
	annotationRestarts         = "io.kubernetes.container.restartCount"
	annotationMessagePath      = "io.kubernetes.container.terminationMessagePath"
	annotationMessagePolicy    = "io.kubernetes.container.terminationMessagePolicy"
	annotationPreStop          = "io.kubernetes.container.preStopHandler"
	annotationPorts            = "io.kubernetes.container.ports"
	annotationTerminationGrace = "io.kubernetes.pod.terminationGracePeriod"
	annotationDeletionGrace    = "io.kubernetes.pod.deletionGracePeriod"
)

// SandboxLabels are the labels of a pod's sandbox: the pod's own and its identity.
func SandboxLabels(pod *v1.Pod) map[string]string {
	labels := make(map[string]string, len(pod.Labels)+3)
	maps.Copy(labels, pod.Labels)
	maps.Copy(labels, identity(pod))
	return labels
}

// ContainerLabels are the labels of one container.
func ContainerLabels(pod *v1.Pod, container *v1.Container) map[string]string {
	labels := identity(pod)
	labels[LabelContainerName] = container.Name
	return labels
}

func identity(pod *v1.Pod) map[string]string {
	return map[string]string{
		LabelPodName: pod.Name, LabelPodNamespace: pod.Namespace, LabelPodUID: string(pod.UID),
	}
}

// ContainerAnnotations are what a later agent must know of the container.
func ContainerAnnotations(pod *v1.Pod, container *v1.Container, restarts int32) map[string]string {
	annotations := map[string]string{
		annotationHash:          Hash(container),
		annotationRestarts:      strconv.Itoa(int(restarts)),
		annotationMessagePath:   container.TerminationMessagePath,
		annotationMessagePolicy: string(container.TerminationMessagePolicy),
	}
	if grace := pod.DeletionGracePeriodSeconds; grace != nil {
		annotations[annotationDeletionGrace] = strconv.FormatInt(*grace, 10)
	}
	if grace := pod.Spec.TerminationGracePeriodSeconds; grace != nil {
		annotations[annotationTerminationGrace] = strconv.FormatInt(*grace, 10)
	}
	if container.Lifecycle != nil && container.Lifecycle.PreStop != nil {
		annotations[annotationPreStop] = asJSON(container.Lifecycle.PreStop)
	}
	if len(container.Ports) > 0 {
		annotations[annotationPorts] = asJSON(container.Ports)
	}
	return annotations
}

// asJSON writes API types, which cannot fail.
func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

// Hash is of what makes a running container outdated when it changes: name and
// image. The rest of a container's spec is immutable or changed in place.
func Hash(container *v1.Container) string {
	h := fnv.New64a()
	h.Write([]byte(container.Name))
	h.Write([]byte{0})
	h.Write([]byte(container.Image))
	return strconv.FormatUint(h.Sum64(), 16)
}

func restartsOf(annotations map[string]string, attempt uint32) int32 {
	n, err := strconv.ParseInt(annotations[annotationRestarts], 10, 32)
	if err != nil || n < 0 {
		return int32(attempt)
	}
	return int32(n)
}

func killOf(annotations map[string]string) Kill {
	var k Kill
	for _, name := range []string{annotationTerminationGrace, annotationDeletionGrace} {
		if n, err := strconv.ParseInt(annotations[name], 10, 64); err == nil && n >= 0 {
			k.Grace = &n
		}
	}
	if text := annotations[annotationPreStop]; text != "" {
		handler := new(v1.LifecycleHandler)
		if json.Unmarshal([]byte(text), handler) == nil {
			k.PreStop = handler
		}
	}
	if text := annotations[annotationPorts]; text != "" {
		// What cannot be read leaves no named ports, as if none were there.
		_ = json.Unmarshal([]byte(text), &k.Ports)
	}
	return k
}
