package eviction

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// evictForShortage ends the pod that deserves it most.
func (m *Manager) evictForShortage(ctx context.Context, s shortage, o Observation) (<-chan struct{}, error) {
	all, err := m.measure(ctx, m.livePods(), s.condition() == corev1.NodeDiskPressure)
	if err != nil {
		return nil, err
	}
	rank(all, s, o.DedicatedImageFS)
	for _, u := range all {
		message := shortageMessage(u, s)
		condition := &corev1.PodCondition{
			Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue,
			Reason: corev1.PodReasonTerminationByKubelet, Message: message, LastTransitionTime: metav1.NewTime(m.o.Clock.Now()),
		}
		if done := m.evict(u.pod, string(s.Signal), message, condition); done != nil {
			return done, nil
		}
	}
	m.o.Logger.Warn("the node is short of a resource, and no pod can be evicted", "signal", s.Signal)
	return nil, nil
}

// evict returns nil for a pod that cannot be evicted.
func (m *Manager) evict(pod *corev1.Pod, signal, message string, condition *corev1.PodCondition) <-chan struct{} {
	if isCritical(pod) {
		return nil
	}
	const grace = 1 // second: the node cannot wait
	done, found := m.o.Pods.Evict(pod.UID, grace, reasonEvicted, message, condition)
	if !found {
		return nil
	}
	m.o.Events.Event(pod, corev1.EventTypeWarning, reasonEvicted, message)
	m.o.Logger.Warn("evicting a pod", "namespace", pod.Namespace, "pod", pod.Name, "signal", signal, "message", strings.TrimSpace(message))
	m.metrics.evictions.WithLabelValues(signal).Inc()
	return done
}

// rank puts the pods first that use more than they asked for, then those of
// low priority, then those that use most beyond what they asked for.
func rank(all []usage, s shortage, dedicatedImageFS bool) {
	slices.SortStableFunc(all, func(a, b usage) int {
		overA, overB := a.over(s, dedicatedImageFS), b.over(s, dedicatedImageFS)
		return cmp.Or(
			boolFirst(overA > 0, overB > 0),
			cmp.Compare(podutil.Priority(a.pod), podutil.Priority(b.pod)),
			cmp.Compare(overB, overA),
		)
	})
}

func boolFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// over is the usage less the request, in the shortage's unit.
func (u usage) over(s shortage, dedicatedImageFS bool) int64 {
	used := u.total.disk()
	switch {
	case dedicatedImageFS && (s.Signal == ImageFSAvailable || s.Signal == ImageFSInodesFree):
		used = u.total.layer
	case dedicatedImageFS:
		used = u.total.logs.plus(u.total.empty)
	}
	switch s.resource() {
	case corev1.ResourceMemory:
		return u.total.memory - requested(u.pod, corev1.ResourceMemory)
	case corev1.ResourceEphemeralStorage:
		return used.bytes - requested(u.pod, corev1.ResourceEphemeralStorage)
	case "inodes":
		return used.inodes
	}
	return 0
}

func requested(pod *corev1.Pod, name corev1.ResourceName) int64 {
	q := podutil.Requests(pod)[name]
	return q.Value()
}

// shortageMessage names the containers that use more than they asked for.
func shortageMessage(u usage, s shortage) string {
	var b strings.Builder
	fmt.Fprintf(&b, "The node was low on resource: %v. Threshold quantity: %v, available: %v. ", s.resource(), s.text(s.quantity), s.text(s.available))
	for _, list := range [][]corev1.Container{u.pod.Spec.Containers, u.pod.Spec.InitContainers} {
		for i := range list {
			c := &list[i]
			a, ok := u.containers[c.Name]
			if !ok {
				continue
			}
			var used int64
			switch s.resource() {
			case corev1.ResourceMemory:
				used = a.memory
			case corev1.ResourceEphemeralStorage:
				used = a.layer.plus(a.logs).bytes
			default:
				continue
			}
			request := c.Resources.Requests[s.resource()]
			if used > request.Value() {
				fmt.Fprintf(&b, "Container %s was using %s, request is %s, has larger consumption of %v. ",
					c.Name, resource.NewQuantity(used, resource.BinarySI), &request, s.resource())
			}
		}
	}
	return b.String()
}
