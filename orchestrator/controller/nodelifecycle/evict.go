package nodelifecycle

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// since is when each pod was first seen on a node with taints that evict.
type since struct {
	mu    sync.Mutex
	first map[types.UID]time.Time
}

func newSince() *since { return &since{first: map[types.UID]time.Time{}} }

func (s *since) seen(pod types.UID, now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	first, known := s.first[pod]
	if !known {
		first = now
		s.first[pod] = now
	}
	return first
}

// forget tells whether there was something to forget.
func (s *since) forget(pod types.UID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.first[pod]
	delete(s.first, pod)
	return known
}

// reconcilePod evicts a pod when it has tolerated its node's taints for as long
// as it says.
func (c *Controller) reconcilePod(ctx context.Context, key string) error {
	pod := c.index.Get(reconcile.SplitKey(key))
	if pod == nil || pod.Spec.NodeName == "" || pod.DeletionTimestamp != nil {
		return nil
	}
	node, err := c.nodes.Get(pod.Spec.NodeName)
	if apierrors.IsNotFound(err) {
		return nil // the pod is garbage, and collected as such
	}
	if err != nil {
		return err
	}
	taints := noExecute(node)
	if len(taints) == 0 {
		if c.since.forget(pod.UID) {
			c.o.Events.Eventf(pod, corev1.EventTypeNormal, "TaintManagerEviction", "Cancelling deletion of Pod %s", key)
		}
		return nil
	}
	now := c.o.Clock.Now()
	at, evicts := evictionTime(pod, taints, c.since.seen(pod.UID, now))
	switch {
	case !evicts:
		c.since.forget(pod.UID)
		return nil
	case at.After(now):
		c.evict.AddAfter(key, at.Sub(now))
		return nil
	}
	return c.evictPod(ctx, pod)
}

// evictionTime is when the first toleration of a taint ends; at once when one is
// not tolerated. The time of a taint that tells none is first.
func evictionTime(pod *corev1.Pod, taints []corev1.Taint, first time.Time) (at time.Time, evicts bool) {
	for i := range taints {
		tolerated, seconds := tolerates(pod, &taints[i])
		start := first
		if added := taints[i].TimeAdded; added != nil {
			start = added.Time
		}
		switch {
		case !tolerated:
			return time.Time{}, true
		case seconds == nil:
			continue
		}
		if end := start.Add(time.Duration(max(*seconds, 0)) * time.Second); !evicts || end.Before(at) {
			at, evicts = end, true
		}
	}
	return at, evicts
}

// tolerates returns the shortest time of all tolerations of the taint; nil when
// none of them ends.
func tolerates(pod *corev1.Pod, taint *corev1.Taint) (tolerated bool, seconds *int64) {
	for i := range pod.Spec.Tolerations {
		t := &pod.Spec.Tolerations[i]
		if !t.ToleratesTaint(klog.Background(), taint, false) {
			continue
		}
		tolerated = true
		if s := t.TolerationSeconds; s != nil && (seconds == nil || *s < *seconds) {
			seconds = s
		}
	}
	return tolerated, seconds
}

// evictPod says in the pod's status why, and deletes it.
func (c *Controller) evictPod(ctx context.Context, pod *corev1.Pod) error {
	c.o.Events.Eventf(pod, corev1.EventTypeNormal, "TaintManagerEviction", "Marking for deletion Pod %s", reconcile.Key(pod))
	client := c.o.Client.CoreV1().Pods(pod.Namespace)
	updated := pod.DeepCopy()
	podutil.UpdateCondition(&updated.Status, corev1.PodCondition{
		Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "DeletionByTaintManager",
		Message: "Taint manager: deleting due to NoExecute taint", ObservedGeneration: pod.Generation,
	}, c.o.Clock.Now())
	if !podutil.IsConditionTrue(&pod.Status, corev1.DisruptionTarget) && !podutil.IsTerminal(pod) {
		if _, err := client.UpdateStatus(ctx, updated, metav1.UpdateOptions{}); err != nil {
			return ignoreNotFound(err)
		}
	}
	return ignoreNotFound(client.Delete(ctx, pod.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(pod.UID))}))
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
