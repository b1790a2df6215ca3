package replication

import (
	"context"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// countTerminating counts the pods of w that are being deleted; nil for a kind
// that does not tell.
func countTerminating(w *workload, pods []*corev1.Pod) *int32 {
	if _, tells := w.Owner.(*appsv1.ReplicaSet); !tells {
		return nil
	}
	var n int32
	for _, pod := range pods {
		if pod.DeletionTimestamp != nil && !podutil.IsTerminal(pod) && metav1.IsControlledBy(pod, w) && w.selector.Matches(labels.Set(pod.Labels)) {
			n++
		}
	}
	return &n
}

func nextStatus(w *workload, active []*corev1.Pod, terminating *int32, o outcome, now time.Time) appsv1.ReplicaSetStatus {
	status := appsv1.ReplicaSetStatus{
		Replicas: int32(len(active)), TerminatingReplicas: terminating,
		ObservedGeneration: w.GetGeneration(), Conditions: slices.Clone(w.status.Conditions),
	}
	template := labels.SelectorFromSet(w.template.Labels)
	for _, pod := range active {
		if template.Matches(labels.Set(pod.Labels)) {
			status.FullyLabeledReplicas++
		}
		if podutil.IsReady(pod) {
			status.ReadyReplicas++
		}
		if podutil.IsAvailable(pod, seconds(w.minReadySeconds), now) {
			status.AvailableReplicas++
		}
	}
	if o.managed {
		setFailure(&status, o, now)
	}
	return status
}

// setFailure makes the condition ReplicaFailure tell the outcome. While it lasts
// the first message stays.
func setFailure(status *appsv1.ReplicaSetStatus, o outcome, now time.Time) {
	isFailure := func(c appsv1.ReplicaSetCondition) bool { return c.Type == appsv1.ReplicaSetReplicaFailure }
	known := slices.IndexFunc(status.Conditions, isFailure)
	switch {
	case o.err == nil && known >= 0:
		status.Conditions = slices.DeleteFunc(status.Conditions, isFailure)
	case o.err != nil && known < 0:
		status.Conditions = append(status.Conditions, appsv1.ReplicaSetCondition{
			Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue,
			LastTransitionTime: metav1.NewTime(now), Reason: o.reason, Message: o.err.Error(),
		})
	}
}

// updateStatus writes what has changed. After a conflict it tries once more on
// the API's own state, unless the object has another spec by then.
func (c *Controller) updateStatus(ctx context.Context, w *workload, status appsv1.ReplicaSetStatus) error {
	if equality.Semantic.DeepEqual(w.status, status) {
		return nil
	}
	err := c.kind.putStatus(ctx, w, status)
	if !apierrors.IsConflict(err) {
		return ignoreNotFound(err)
	}
	fresh, freshErr := c.kind.fresh(ctx, w.GetNamespace(), w.GetName())
	if freshErr != nil {
		return ignoreNotFound(freshErr)
	}
	if fresh.GetUID() != w.GetUID() || fresh.GetGeneration() != w.GetGeneration() || !equality.Semantic.DeepEqual(fresh.status.Conditions, w.status.Conditions) {
		return err
	}
	if equality.Semantic.DeepEqual(fresh.status, status) {
		return nil
	}
	return ignoreNotFound(c.kind.putStatus(ctx, fresh, status))
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
