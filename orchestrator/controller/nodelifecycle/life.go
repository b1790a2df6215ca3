package nodelifecycle

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// signs are the last signs of life of each node. Only that they change counts,
// and when that was seen here: the node's clock may be another.
type signs struct {
	clock clock.PassiveClock
	mu    sync.Mutex
	last  map[string]sign
}

type sign struct {
	lease, heartbeat time.Time // by the node's clock
	seen             time.Time // by ours
}

func newSigns(c clock.PassiveClock) *signs { return &signs{clock: c, last: map[string]sign{}} }

func (s *signs) renewed(node string, at time.Time) {
	s.note(node, func(last *sign) *time.Time { return &last.lease }, at)
}

func (s *signs) reported(node string, at time.Time) {
	s.note(node, func(last *sign) *time.Time { return &last.heartbeat }, at)
}

func (s *signs) note(node string, which func(*sign) *time.Time, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.last[node]
	if t := which(&last); !known || at.After(*t) {
		*t, last.seen = at, s.clock.Now()
		s.last[node] = last
	}
}

// seen is when the last sign was seen; without any it is now.
func (s *signs) seen(node string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.last[node]
	if !known {
		last.seen = s.clock.Now()
		s.last[node] = last
	}
	return last.seen
}

func (s *signs) forget(node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.last, node)
}

func condition(node *corev1.Node, kind corev1.NodeConditionType) *corev1.NodeCondition {
	i := slices.IndexFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == kind })
	if i < 0 {
		return nil
	}
	return &node.Status.Conditions[i]
}

func isReady(node *corev1.Node) bool {
	ready := condition(node, corev1.NodeReady)
	return ready != nil && ready.Status == corev1.ConditionTrue
}

// set is names, safe for concurrent use.
type set struct {
	mu    sync.Mutex
	names map[string]struct{}
}

func newSet() *set { return &set{names: map[string]struct{}{}} }

func (s *set) add(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[name] = struct{}{}
}

func (s *set) remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.names, name)
}

func (s *set) has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, has := s.names[name]
	return has
}

// silent says whether a node has given no sign of life for its grace period, and
// else how much of that is left.
func (c *Controller) silent(node *corev1.Node) (silent bool, left time.Duration) {
	grace := c.o.GracePeriod
	if condition(node, corev1.NodeReady) == nil {
		grace = c.o.StartupGracePeriod
	}
	left = c.life.seen(node.Name).Add(grace).Sub(c.o.Clock.Now())
	return left <= 0, left
}

// markUnknown writes that nothing is known of the node any more.
func (c *Controller) markUnknown(ctx context.Context, node *corev1.Node) (*corev1.Node, error) {
	updated := node.DeepCopy()
	now := metav1.NewTime(c.o.Clock.Now())
	for _, kind := range []corev1.NodeConditionType{corev1.NodeReady, corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure} {
		switch known := condition(updated, kind); {
		case known == nil:
			updated.Status.Conditions = append(updated.Status.Conditions, corev1.NodeCondition{
				Type: kind, Status: corev1.ConditionUnknown, Reason: "NodeStatusNeverUpdated", Message: "Kubelet never posted node status.",
				LastHeartbeatTime: node.CreationTimestamp, LastTransitionTime: now,
			})
		case known.Status != corev1.ConditionUnknown:
			known.Status, known.Reason, known.Message = corev1.ConditionUnknown, "NodeStatusUnknown", "Kubelet stopped posting node status."
			known.LastTransitionTime = now
		}
	}
	if equality.Semantic.DeepEqual(updated.Status, node.Status) {
		return node, nil
	}
	c.o.Events.Eventf(node, corev1.EventTypeNormal, "NodeNotReady", "Node %s status is now: NodeNotReady", node.Name)
	return c.o.Client.CoreV1().Nodes().UpdateStatus(ctx, updated, metav1.UpdateOptions{})
}

// markPodsNotReady takes the pods of a node that is not ready out of service.
func (c *Controller) markPodsNotReady(ctx context.Context, node *corev1.Node) error {
	for _, pod := range c.index.OnNode(node.Name) {
		if !podutil.IsReady(pod) {
			continue
		}
		updated := pod.DeepCopy()
		podutil.UpdateCondition(&updated.Status, corev1.PodCondition{
			Type: corev1.PodReady, Status: corev1.ConditionFalse, ObservedGeneration: podutil.Condition(&pod.Status, corev1.PodReady).ObservedGeneration,
		}, c.o.Clock.Now())
		_, err := c.o.Client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("mark pod %s/%s not ready: %w", pod.Namespace, pod.Name, err)
		}
		c.o.Events.Event(pod, corev1.EventTypeWarning, "NodeNotReady", "Node is not ready")
	}
	return nil
}
