package eviction

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// note takes what is met now. A condition outlives its threshold by the
// transition period, so that it does not flap.
func (m *Manager) note(met []shortage) {
	now := m.o.Clock.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range met {
		m.lastMet[s.condition()] = now
	}
	active := map[corev1.NodeConditionType]bool{}
	for condition, at := range m.lastMet {
		if now.Sub(at) < m.o.Transition {
			active[condition] = true
		}
	}
	if maps.Equal(active, m.active) {
		return
	}
	m.active = active
	m.metrics.show(active)
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// Pressure says which conditions the node is in.
func (m *Manager) Pressure() (memory, disk, pid bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.active[corev1.NodeMemoryPressure], m.active[corev1.NodeDiskPressure], m.active[corev1.NodePIDPressure]
}

// Changed tells that Pressure has changed, once for several changes.
func (m *Manager) Changed() <-chan struct{} { return m.changed }

// Admit says whether the pod may start on the node as it is: under memory
// pressure none that asks for nothing, under other pressure none at all but
// critical ones.
func (m *Manager) Admit(pod *corev1.Pod) (reason, message string, ok bool) {
	m.mu.Lock()
	active := slices.Sorted(maps.Keys(m.active))
	m.mu.Unlock()
	if len(active) == 0 || isCritical(pod) {
		return "", "", true
	}
	if len(active) == 1 && active[0] == corev1.NodeMemoryPressure && (podutil.QOS(pod) != corev1.PodQOSBestEffort || toleratesMemoryPressure(pod)) {
		return "", "", true
	}
	return reasonEvicted, fmt.Sprintf("The node had condition: %v. ", active), false
}

func toleratesMemoryPressure(pod *corev1.Pod) bool {
	taint := &corev1.Taint{Key: corev1.TaintNodeMemoryPressure, Effect: corev1.TaintEffectNoSchedule}
	return corev1helpers.TolerationsTolerateTaint(klog.Background(), pod.Spec.Tolerations, taint, true)
}

// criticalPriority is the least of the priorities that the system keeps for
// itself.
const criticalPriority = 2000000000

func isCritical(pod *corev1.Pod) bool { return podutil.Priority(pod) >= criticalPriority }
