package deployment

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

// Reasons of conditions and events.
const (
	reasonScaling     = "ScalingReplicaSet"
	reasonFound       = "FoundNewReplicaSet"
	reasonCreated     = "NewReplicaSetCreated"
	reasonCreateError = "ReplicaSetCreateError"
	reasonUpdated     = "ReplicaSetUpdated"
	reasonAvailable   = "NewReplicaSetAvailable"
	reasonTimedOut    = "ProgressDeadlineExceeded"
	reasonPaused      = "DeploymentPaused"
	reasonResumed     = "DeploymentResumed"
)

func condition(s *appsv1.DeploymentStatus, kind appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	i := slices.IndexFunc(s.Conditions, func(c appsv1.DeploymentCondition) bool { return c.Type == kind })
	if i < 0 {
		return nil
	}
	return &s.Conditions[i]
}

func remove(s *appsv1.DeploymentStatus, kind appsv1.DeploymentConditionType) {
	s.Conditions = slices.DeleteFunc(s.Conditions, func(c appsv1.DeploymentCondition) bool { return c.Type == kind })
}

// set puts a condition at the end of the list, unless there is one already of
// the same status and reason: that one stays as it is.
func (r *rollout) set(s *appsv1.DeploymentStatus, kind appsv1.DeploymentConditionType, status corev1.ConditionStatus, reason, message string) {
	if known := condition(s, kind); known == nil || known.Status != status || known.Reason != reason {
		r.renew(s, kind, status, reason, message)
	}
}

// renew does the same, but also makes a condition younger that says the same.
func (r *rollout) renew(s *appsv1.DeploymentStatus, kind appsv1.DeploymentConditionType, status corev1.ConditionStatus, reason, message string) {
	now := metav1.NewTime(r.now)
	transition := now
	if known := condition(s, kind); known != nil && known.Status == status {
		transition = known.LastTransitionTime
	}
	remove(s, kind)
	s.Conditions = append(s.Conditions, appsv1.DeploymentCondition{
		Type: kind, Status: status, Reason: reason, Message: message, LastUpdateTime: now, LastTransitionTime: transition,
	})
}

// notePause records a pause and its end, so that the time of the pause is not
// taken for a lack of progress.
func (r *rollout) notePause() {
	progress := condition(&r.d.Status, appsv1.DeploymentProgressing)
	if !r.hasDeadline() || progress != nil && progress.Reason == reasonTimedOut {
		return
	}
	noted := progress != nil && progress.Reason == reasonPaused
	switch {
	case r.d.Spec.Paused && !noted:
		r.set(&r.d.Status, appsv1.DeploymentProgressing, corev1.ConditionUnknown, reasonPaused, "Deployment is paused")
	case !r.d.Spec.Paused && noted:
		r.set(&r.d.Status, appsv1.DeploymentProgressing, corev1.ConditionUnknown, reasonResumed, "Deployment is resumed")
	}
}

// counted is the status as the replica sets have it; the conditions are those
// that r.d has, and Available.
func (r *rollout) counted() appsv1.DeploymentStatus {
	all := r.all()
	s := appsv1.DeploymentStatus{
		ObservedGeneration: r.d.Generation, CollisionCount: r.d.Status.CollisionCount,
		Replicas:            sum(all, func(s *appsv1.ReplicaSet) int32 { return s.Status.Replicas }),
		ReadyReplicas:       sum(all, func(s *appsv1.ReplicaSet) int32 { return s.Status.ReadyReplicas }),
		AvailableReplicas:   sum(all, func(s *appsv1.ReplicaSet) int32 { return s.Status.AvailableReplicas }),
		TerminatingReplicas: terminating(all),
		Conditions:          slices.Clone(r.d.Status.Conditions),
	}
	if r.current != nil {
		s.UpdatedReplicas = r.current.Status.Replicas
	}
	s.UnavailableReplicas = max(sum(all, size)-s.AvailableReplicas, 0)
	if s.AvailableReplicas >= r.want()-r.maxUnavailable {
		r.set(&s, appsv1.DeploymentAvailable, corev1.ConditionTrue, "MinimumReplicasAvailable", "Deployment has minimum availability.")
	} else {
		r.set(&s, appsv1.DeploymentAvailable, corev1.ConditionFalse, "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
	}
	return s
}

// terminating is nil while a set has not told it.
func terminating(sets []*appsv1.ReplicaSet) *int32 {
	var total int32
	for _, set := range sets {
		switch n := set.Status.TerminatingReplicas; {
		case n != nil:
			total += *n
		case set.Status.ObservedGeneration > 0:
			return nil
		}
	}
	return &total
}

// complete says whether all pods are of the current template and available.
func (r *rollout) complete(s *appsv1.DeploymentStatus) bool {
	want := r.want()
	return s.UpdatedReplicas == want && s.Replicas == want && s.AvailableReplicas == want && s.ObservedGeneration >= r.d.Generation
}

// progressed compares with the status that was written last.
func progressed(before, s *appsv1.DeploymentStatus) bool {
	return s.UpdatedReplicas > before.UpdatedReplicas || s.Replicas-s.UpdatedReplicas < before.Replicas-before.UpdatedReplicas ||
		s.ReadyReplicas > before.ReadyReplicas || s.AvailableReplicas > before.AvailableReplicas
}

// judge adds to the status what is to be said about progress and failures.
func (r *rollout) judge(before *appsv1.DeploymentStatus, s *appsv1.DeploymentStatus) {
	if !r.hasDeadline() {
		remove(s, appsv1.DeploymentProgressing)
	}
	known := condition(s, appsv1.DeploymentProgressing)
	settled := s.Replicas == s.UpdatedReplicas && known != nil && known.Reason == reasonAvailable
	if r.hasDeadline() && !settled {
		r.judgeProgress(before, s, known)
	}
	if failure := r.replicaFailure(); failure != nil {
		r.set(s, failure.Type, failure.Status, failure.Reason, failure.Message)
	} else {
		remove(s, appsv1.DeploymentReplicaFailure)
	}
}

func (r *rollout) judgeProgress(before, s *appsv1.DeploymentStatus, known *appsv1.DeploymentCondition) {
	subject := fmt.Sprintf("Deployment %q", r.d.Name)
	if r.current != nil {
		subject = fmt.Sprintf("ReplicaSet %q", r.current.Name)
	}
	switch {
	case r.complete(s):
		r.set(s, appsv1.DeploymentProgressing, corev1.ConditionTrue, reasonAvailable, subject+" has successfully progressed.")
	case progressed(before, s):
		r.renew(s, appsv1.DeploymentProgressing, corev1.ConditionTrue, reasonUpdated, subject+" is progressing.")
	case known != nil && known.Reason != reasonAvailable && (known.Reason == reasonTimedOut || r.deadline(known).Before(r.now)):
		r.set(s, appsv1.DeploymentProgressing, corev1.ConditionFalse, reasonTimedOut, subject+" has timed out progressing.")
	}
}

func (r *rollout) deadline(progress *appsv1.DeploymentCondition) time.Time {
	return progress.LastUpdateTime.Add(time.Duration(*r.d.Spec.ProgressDeadlineSeconds) * time.Second)
}

// replicaFailure is that of the current set or, without one, of an old one.
func (r *rollout) replicaFailure() *appsv1.DeploymentCondition {
	for _, set := range slices.Backward(r.all()) {
		for _, c := range set.Status.Conditions {
			if c.Type == appsv1.ReplicaSetReplicaFailure {
				return &appsv1.DeploymentCondition{Type: appsv1.DeploymentReplicaFailure, Status: c.Status, Reason: c.Reason, Message: c.Message}
			}
		}
	}
	return nil
}

// updateStatus writes what has changed, and comes back when the deadline is over.
func (c *Controller) updateStatus(ctx context.Context, cached *appsv1.Deployment, r *rollout) error {
	status := r.counted()
	if !r.scaling && r.d.DeletionTimestamp == nil {
		r.judge(&cached.Status, &status)
	}
	r.d.Status = status
	if progress := condition(&status, appsv1.DeploymentProgressing); r.hasDeadline() && progress != nil && !r.d.Spec.Paused &&
		!r.complete(&status) && progress.Reason != reasonTimedOut {
		c.loop.AddAfter(reconcile.Key(r.d), max(r.deadline(progress).Sub(r.now), 0)+time.Second)
	}
	return c.putStatus(ctx, cached, r.d)
}

// reportFailure writes what a step that failed has noted: a collision, or that
// the replica set could not be created.
func (c *Controller) reportFailure(ctx context.Context, cached *appsv1.Deployment, r *rollout) error {
	return c.putStatus(ctx, cached, r.d)
}

// putStatus writes status and annotations, which the API takes together.
func (c *Controller) putStatus(ctx context.Context, cached, d *appsv1.Deployment) error {
	if equality.Semantic.DeepEqual(cached.Status, d.Status) && equality.Semantic.DeepEqual(cached.Annotations, d.Annotations) {
		return nil
	}
	_, err := c.client.Deployments(d.Namespace).UpdateStatus(ctx, d, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
