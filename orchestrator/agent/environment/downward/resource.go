package downward

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Resource returns the value of a resourceFieldRef in multiples of its divisor,
// rounded up. The reference's container is looked up in the pod; own is the
// container that asks, and is meant where no name is given. A limit that is not
// set is the pod's, and failing that what the node can give.
func Resource(pod *corev1.Pod, own *corev1.Container, ref *corev1.ResourceFieldSelector, host Host) (string, error) {
	container, err := find(pod, own, ref.ContainerName)
	if err != nil {
		return "", err
	}
	kind, name, _ := strings.Cut(ref.Resource, ".")
	if !supported(corev1.ResourceName(name)) || kind != "limits" && kind != "requests" {
		return "", fmt.Errorf("unsupported container resource : %v", ref.Resource)
	}
	q := container.Resources.Requests[corev1.ResourceName(name)]
	if kind == "limits" {
		q = limit(pod, container, corev1.ResourceName(name), host)
	}
	return divide(q, ref.Divisor, corev1.ResourceName(name)), nil
}

func find(pod *corev1.Pod, own *corev1.Container, name string) (*corev1.Container, error) {
	if name == "" && own != nil {
		return own, nil
	}
	for _, list := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i], nil
			}
		}
	}
	return nil, fmt.Errorf("container %s not found", name)
}

func supported(name corev1.ResourceName) bool {
	switch name {
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return true
	}
	return strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
}

func limit(pod *corev1.Pod, c *corev1.Container, name corev1.ResourceName, host Host) resource.Quantity {
	q := c.Resources.Limits[name]
	if !q.IsZero() || strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix) {
		return q // huge pages are never over-committed, so there is no default
	}
	if pod.Spec.Resources != nil && name != corev1.ResourceEphemeralStorage {
		if q := pod.Spec.Resources.Limits[name]; !q.IsZero() {
			return q
		}
	}
	return host.Allocatable[name]
}

func divide(q, divisor resource.Quantity, name corev1.ResourceName) string {
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	if name == corev1.ResourceCPU {
		return ceil(q.MilliValue(), divisor.MilliValue())
	}
	return ceil(q.Value(), divisor.Value())
}

func ceil(value, divisor int64) string {
	return strconv.FormatInt(int64(math.Ceil(float64(value)/float64(divisor))), 10)
}
