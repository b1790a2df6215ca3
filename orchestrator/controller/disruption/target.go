package disruption

import (
	"context"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// isTargeted: the pod says that it is about to be disrupted, and is not being
// deleted. What its node says is never stale: such a pod may take its time.
func isTargeted(pod *corev1.Pod) bool {
	condition := podutil.Condition(&pod.Status, corev1.DisruptionTarget)
	return condition != nil && condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil &&
		condition.Reason != corev1.PodReasonTerminationByKubelet && !podutil.IsTerminal(pod)
}

// clearTarget takes back a pod's condition after its disruption did not happen.
func (c *Controller) clearTarget(ctx context.Context, key string) error {
	namespace, name := reconcile.SplitKey(key)
	pod, err := c.pods.Pods(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil || !isTargeted(pod) {
		return err
	}
	now := c.clock.Now()
	since := podutil.Condition(&pod.Status, corev1.DisruptionTarget).LastTransitionTime
	if wait := since.Add(deletionTimeout).Sub(now); wait > 0 {
		c.stale.AddAfter(key, wait)
		return nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": pod.UID, "resourceVersion": pod.ResourceVersion},
		"status": map[string]any{"conditions": []any{map[string]any{
			"type": corev1.DisruptionTarget, "status": corev1.ConditionFalse,
			"lastTransitionTime": metav1.NewTime(now), "reason": nil, "message": nil,
		}}},
	})
	if err != nil {
		return err
	}
	_, err = c.client.CoreV1().Pods(namespace).Patch(ctx, name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
