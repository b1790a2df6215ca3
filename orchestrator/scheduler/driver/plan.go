package driver

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/scheduler"
	"github.com/lubberline/lubberline/orchestrator/scheduler/filter"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

// Bind writes the binding, and the event once it is accepted.
func (d *Driver) Bind(p *snapshot.Pod, node string) {
	pod := p.Object
	d.metrics.decisions.WithLabelValues(resultBound).Inc()
	if len(p.Template.Claims) > 0 {
		bindings, ok := filter.Bindings(d.snap, p.Template, d.snap.Node(node))
		if ok && len(bindings) > 0 {
			d.bindWithVolumes(pod, node, bindings)
			return
		}
	}
	d.writers.do(pod.UID, func(ctx context.Context) { d.bind(ctx, pod, node) })
}

func (d *Driver) bind(ctx context.Context, pod *v1.Pod, node string) {
	start := d.now()
	err := d.client.CoreV1().Pods(pod.Namespace).Bind(ctx, &v1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     v1.ObjectReference{Kind: "Node", Name: node},
	}, metav1.CreateOptions{})
	if err != nil {
		d.bindFailed(ctx, pod, node, err)
		return
	}
	d.metrics.binding.Observe(d.now().Sub(start).Seconds())
	d.events.Eventf(pod, v1.EventTypeNormal, "Scheduled", "Successfully assigned %v/%v to %v", pod.Namespace, pod.Name, node)
	d.mail.put(func(now time.Time) {
		d.core.Bound(pod.UID)
		if q := d.snap.Pod(pod.UID); q != nil && q.Assumed {
			d.accepted[pod.UID] = accepted{pod.Namespace, pod.Name, now}
		}
	})
}

func (d *Driver) bindFailed(ctx context.Context, pod *v1.Pod, node string, err error) {
	if ctx.Err() != nil {
		return
	}
	d.mail.put(func(now time.Time) { d.core.Failed(now, pod.UID) })
	if apierrors.IsNotFound(err) {
		return // the pod has gone meanwhile
	}
	d.metrics.bindErrors.Inc()
	d.log.Warn("a pod was not bound", "namespace", pod.Namespace, "pod", pod.Name, "node", node, "err", err)
	d.events.Eventf(pod, v1.EventTypeWarning, "FailedScheduling", "%v", err)
	d.patch(ctx, pod, &v1.PodCondition{
		Type: v1.PodScheduled, Status: v1.ConditionFalse, Reason: v1.PodReasonSchedulerError, Message: err.Error(),
	}, nil)
}

// Reject writes why the pod waits, as an event and as its condition.
func (d *Driver) Reject(r scheduler.Rejection) {
	pod := r.Pod.Object
	d.metrics.decisions.WithLabelValues(resultRejected).Inc()
	d.log.Debug("a pod cannot be placed", "namespace", pod.Namespace, "pod", pod.Name, "reason", r.Message, "rules", r.Rules)
	d.writers.do(pod.UID, func(ctx context.Context) {
		d.events.Eventf(pod, v1.EventTypeWarning, "FailedScheduling", "%v", r.Message)
		d.patch(ctx, pod, &v1.PodCondition{
			Type: v1.PodScheduled, Status: v1.ConditionFalse, Reason: v1.PodReasonUnschedulable, Message: r.Message,
		}, &r.Node)
	})
}

// Preempt ends the victims, with the reason in their conditions.
func (d *Driver) Preempt(p *snapshot.Pod, node string, victims []*snapshot.Pod) {
	preemptor := p.Object
	d.metrics.decisions.WithLabelValues(resultPreempting).Inc()
	d.log.Info("pods make room for one of higher priority", "namespace", preemptor.Namespace, "pod", preemptor.Name, "node", node, "victims", len(victims))
	for _, v := range victims {
		victim := v.Object
		d.writers.do(victim.UID, func(ctx context.Context) { d.evict(ctx, preemptor, victim, node) })
	}
}

func (d *Driver) evict(ctx context.Context, preemptor, victim *v1.Pod, node string) {
	if victim.DeletionTimestamp != nil {
		return
	}
	d.patch(ctx, victim, &v1.PodCondition{
		Type: v1.DisruptionTarget, Status: v1.ConditionTrue, Reason: v1.PodReasonPreemptionByScheduler,
		Message: fmt.Sprintf("%s: preempting to accommodate a higher priority pod", preemptor.Spec.SchedulerName),
	}, nil)
	err := d.client.CoreV1().Pods(victim.Namespace).Delete(ctx, victim.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(victim.UID))})
	switch {
	case err == nil:
		d.metrics.victims.Inc()
		d.events.Eventf(victim, v1.EventTypeNormal, "Preempted", "Preempted by pod %v on node %v", preemptor.UID, node)
	case apierrors.IsNotFound(err) || apierrors.IsConflict(err) || ctx.Err() != nil:
	default:
		d.log.Warn("a pod that should make room was not deleted", "namespace", victim.Namespace, "pod", victim.Name, "err", err)
		// What was assumed of the victim is taken back, so that the preemptor tries again.
		d.mail.put(func(now time.Time) { d.stays(now, victim) })
	}
}

// stays takes back that a victim ends.
func (d *Driver) stays(now time.Time, victim *v1.Pod) {
	d.snap.Revive(victim.UID)
	if pod, err := d.pods.Pods(victim.Namespace).Get(victim.Name); err == nil && pod.UID == victim.UID {
		d.core.SetPod(now, pod)
	}
	d.core.Disturbed(now)
}

// patch writes a condition, and the nominated node unless it is nil, when they
// are not what the pod has.
func (d *Driver) patch(ctx context.Context, pod *v1.Pod, condition *v1.PodCondition, node *string) {
	status := map[string]any{}
	if complete(pod, condition, d.now()) {
		status["conditions"] = []*v1.PodCondition{condition}
	}
	if node != nil && pod.Status.NominatedNodeName != *node {
		status["nominatedNodeName"] = *node
		if *node == "" {
			status["nominatedNodeName"] = nil
		}
	}
	if len(status) == 0 {
		return
	}
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID}, "status": status})
	if err != nil {
		d.log.Error("a pod's status was not written", "namespace", pod.Namespace, "pod", pod.Name, "err", err)
		return
	}
	_, err = d.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, data, metav1.PatchOptions{}, "status")
	if err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil {
		d.log.Warn("a pod's status was not written", "namespace", pod.Namespace, "pod", pod.Name, "err", err)
	}
}

// complete fills in the condition's times; false: the pod has it already.
func complete(pod *v1.Pod, condition *v1.PodCondition, now time.Time) bool {
	condition.LastTransitionTime = metav1.NewTime(now)
	condition.ObservedGeneration = pod.Generation
	for i := range pod.Status.Conditions {
		has := &pod.Status.Conditions[i]
		if has.Type != condition.Type {
			continue
		}
		if has.Status == condition.Status {
			condition.LastTransitionTime = has.LastTransitionTime
		}
		return has.Status != condition.Status || has.Reason != condition.Reason || has.Message != condition.Message ||
			has.ObservedGeneration != condition.ObservedGeneration
	}
	return true
}
