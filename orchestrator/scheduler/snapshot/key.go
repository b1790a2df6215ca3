package snapshot

import (
	"encoding/binary"
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// marshaler is what generated API types have.
type marshaler interface {
	Size() int
	MarshalToSizedBuffer([]byte) (int, error)
}

// appendKey appends every field of the pod that placing it depends on, each
// with its length, so that two pods have the same key only when they can share
// all work. The buffer is used again by the caller.
func appendKey(b []byte, pod *v1.Pod) []byte {
	spec := &pod.Spec
	b = appendString(b, pod.Namespace)
	b = appendMap(b, pod.Labels)
	b = appendString(b, controllerOf(pod))
	b = appendMap(b, spec.NodeSelector)
	b = appendInt(b, int64(priorityOf(pod)))
	if spec.PreemptionPolicy != nil {
		b = appendString(b, string(*spec.PreemptionPolicy))
	}
	if spec.Affinity != nil {
		b = appendMessage(b, spec.Affinity)
	}
	b = append(b, '|')
	for i := range spec.Tolerations {
		b = appendMessage(b, &spec.Tolerations[i])
	}
	b = append(b, '|')
	for i := range spec.TopologySpreadConstraints {
		b = appendMessage(b, &spec.TopologySpreadConstraints[i])
	}
	b = append(b, '|')
	for i := range spec.InitContainers {
		b = appendContainer(b, &spec.InitContainers[i])
	}
	b = append(b, '|')
	for i := range spec.Containers {
		b = appendContainer(b, &spec.Containers[i])
	}
	b = append(b, '|')
	b = appendResources(b, spec.Overhead)
	if spec.Resources != nil {
		b = appendResources(b, spec.Resources.Requests)
		b = appendResources(b, spec.Resources.Limits)
	}
	for _, claim := range claimNames(pod) {
		b = appendString(b, claim)
	}
	return b
}

func appendContainer(b []byte, c *v1.Container) []byte {
	b = appendString(b, c.Image)
	b = appendResources(b, c.Resources.Requests)
	if isSidecar(c) {
		b = append(b, 's')
	}
	for _, p := range c.Ports {
		if p.HostPort > 0 {
			b = appendInt(b, int64(p.HostPort))
			b = appendString(b, p.HostIP)
			b = appendString(b, string(p.Protocol))
		}
	}
	return append(b, ';')
}

func appendResources(b []byte, list v1.ResourceList) []byte {
	var names [8]v1.ResourceName
	sorted := names[:0]
	for name := range list {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		quantity := list[name]
		b = appendString(b, string(name))
		b = appendInt(b, quantity.MilliValue())
	}
	return append(b, ';')
}

func appendMap(b []byte, m map[string]string) []byte {
	b = binary.AppendUvarint(b, uint64(len(m)))
	if len(m) == 1 {
		for k, v := range m {
			b = appendString(appendString(b, k), v)
		}
		return b
	}
	var array [16]string
	keys := array[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		b = appendString(appendString(b, k), m[k])
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendInt(b []byte, n int64) []byte { return binary.AppendVarint(b, n) }

func appendMessage(b []byte, m marshaler) []byte {
	size := m.Size()
	b = binary.AppendUvarint(b, uint64(size))
	b = slices.Grow(b, size)
	start := len(b)
	b = b[:start+size]
	if _, err := m.MarshalToSizedBuffer(b[start:]); err != nil {
		// A sized buffer cannot be too small for the message it was sized for.
		panic("scheduler: marshal of a sized message failed: " + err.Error())
	}
	return b
}

func controllerOf(pod *v1.Pod) string {
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		return string(owner.UID)
	}
	return ""
}

func priorityOf(pod *v1.Pod) int32 {
	if pod.Spec.Priority == nil {
		return 0
	}
	return *pod.Spec.Priority
}

// claimNames lists the claims that the pod mounts, those of ephemeral volumes
// by the name that they are given.
func claimNames(pod *v1.Pod) []string {
	var names []string
	for i := range pod.Spec.Volumes {
		switch v := &pod.Spec.Volumes[i]; {
		case v.PersistentVolumeClaim != nil:
			names = append(names, v.PersistentVolumeClaim.ClaimName)
		case v.Ephemeral != nil:
			names = append(names, pod.Name+"-"+v.Name)
		}
	}
	return names
}
