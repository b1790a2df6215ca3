package deployment

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/lubberline/lubberline/orchestrator/controller/expectations"
	"github.com/lubberline/lubberline/orchestrator/controller/ownership"
	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/controller/templatehash"
)

// syncRevision brings the current set's annotations and readiness up to date and
// notes its revision for the deployment. Without a current set it does nothing.
func (c *Controller) syncRevision(ctx context.Context, r *rollout) error {
	if r.current == nil {
		return nil
	}
	set := r.current.DeepCopy()
	if r.annotateRevision(set) || set.Spec.MinReadySeconds != r.d.Spec.MinReadySeconds {
		set.Spec.MinReadySeconds = r.d.Spec.MinReadySeconds
		if err := c.update(ctx, r, set); err != nil {
			return err
		}
	}
	r.noteRevision()
	if r.hasDeadline() && condition(&r.d.Status, appsv1.DeploymentProgressing) == nil {
		r.set(&r.d.Status, appsv1.DeploymentProgressing, corev1.ConditionTrue, reasonFound, fmt.Sprintf("Found new replica set %q", r.current.Name))
	}
	return nil
}

// noteRevision takes over the current set's revision.
func (r *rollout) noteRevision() {
	if r.d.Annotations == nil {
		r.d.Annotations = map[string]string{}
	}
	r.d.Annotations[revisionAnnotation] = r.current.Annotations[revisionAnnotation]
}

func (c *Controller) update(ctx context.Context, r *rollout, set *appsv1.ReplicaSet) error {
	updated, err := c.client.ReplicaSets(set.Namespace).Update(ctx, set, metav1.UpdateOptions{})
	if expectations.LeavesOpen(err) {
		if fresh, freshErr := c.client.ReplicaSets(set.Namespace).Get(ctx, set.Name, metav1.GetOptions{}); freshErr == nil {
			c.written.note(fresh)
		}
	}
	if err != nil {
		return err
	}
	c.written.note(updated)
	r.replace(updated)
	return nil
}

// ensureCurrent makes the set of the deployment's template, unless it is there.
func (c *Controller) ensureCurrent(ctx context.Context, r *rollout) error {
	if r.current != nil {
		return nil
	}
	set := r.newSet()
	created, err := c.client.ReplicaSets(set.Namespace).Create(ctx, set, metav1.CreateOptions{})
	if expectations.LeavesOpen(err) {
		c.created.CreationUnsure(reconcile.Key(r.d))
	}
	switch {
	case apierrors.IsAlreadyExists(err):
		return c.resolveCollision(ctx, r, set.Name, err)
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return nil // nothing can be created any more
	case err != nil:
		message := fmt.Sprintf("Failed to create new replica set %q: %v", set.Name, err)
		if r.hasDeadline() {
			r.set(&r.d.Status, appsv1.DeploymentProgressing, corev1.ConditionFalse, reasonCreateError, message)
		}
		c.events.Event(r.d, corev1.EventTypeWarning, reasonCreateError, message)
		return err
	}
	if n := size(created); n > 0 {
		c.events.Eventf(r.d, corev1.EventTypeNormal, reasonScaling, "Scaled up replica set %s from 0 to %d", created.Name, n)
	}
	if r.hasDeadline() {
		r.set(&r.d.Status, appsv1.DeploymentProgressing, corev1.ConditionTrue, reasonCreated, fmt.Sprintf("Created new replica set %q", created.Name))
	}
	c.created.Created(reconcile.Key(r.d), object(created))
	r.current = created
	r.noteRevision()
	return nil
}

// resolveCollision looks at the set that has the name already: it is the current
// one when only the cache has not shown it, and else another template's with the
// same hash, so that the next try must use another.
func (c *Controller) resolveCollision(ctx context.Context, r *rollout, name string, exists error) error {
	set, err := c.client.ReplicaSets(r.d.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if metav1.IsControlledBy(set, r.d) && sameTemplate(&set.Spec.Template, &r.d.Spec.Template) {
		c.created.Created(reconcile.Key(r.d), object(set))
		r.current = set
		r.noteRevision()
		return nil
	}
	next := orElse(r.d.Status.CollisionCount, 0) + 1
	r.d.Status.CollisionCount = &next
	return exists
}

// newSet is what ensureCurrent creates. Its name follows from the template, so
// that it is not created twice.
func (r *rollout) newSet() *appsv1.ReplicaSet {
	hash := templatehash.Of(&r.d.Spec.Template, r.d.Status.CollisionCount)
	template := *r.d.Spec.Template.DeepCopy()
	template.Labels = withHash(template.Labels, hash)
	selector := r.d.Spec.Selector.DeepCopy()
	selector.MatchLabels = withHash(selector.MatchLabels, hash)
	set := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Name: setName(r.d.Name, hash), Namespace: r.d.Namespace, Labels: maps.Clone(template.Labels),
			OwnerReferences: []metav1.OwnerReference{ownership.Reference(r.d, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
		},
		Spec: appsv1.ReplicaSetSpec{MinReadySeconds: r.d.Spec.MinReadySeconds, Selector: selector, Template: template},
	}
	n := r.nextSize(0)
	set.Spec.Replicas = &n
	r.annotateRevision(set)
	r.annotateSizes(set)
	return set
}

func withHash(labels map[string]string, hash string) map[string]string {
	with := map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: hash}
	for k, v := range labels {
		if k != appsv1.DefaultDeploymentUniqueLabelKey {
			with[k] = v
		}
	}
	return with
}

func setName(deployment, hash string) string {
	most := validation.DNS1123SubdomainMaxLength - 1 - len(hash)
	return deployment[:min(len(deployment), most)] + "-" + hash
}

// scale sizes a set and tells so, if that changes it.
func (c *Controller) scale(ctx context.Context, r *rollout, set *appsv1.ReplicaSet, n int32) error {
	from, resized := size(set), set.DeepCopy()
	resized.Spec.Replicas = &n
	if !r.annotateSizes(resized) && from == n {
		return nil
	}
	if err := c.update(ctx, r, resized); err != nil || from == n {
		return err
	}
	direction := "up"
	if n < from {
		direction = "down"
	}
	c.events.Eventf(r.d, corev1.EventTypeNormal, reasonScaling, "Scaled %s replica set %s from %d to %d", direction, set.Name, from, n)
	return nil
}

// cleanUp deletes the oldest of the old sets, but none that has pods.
func (c *Controller) cleanUp(ctx context.Context, r *rollout) error {
	limit := orElse(r.d.Spec.RevisionHistoryLimit, math.MaxInt32)
	old := slices.DeleteFunc(slices.Clone(r.old), func(s *appsv1.ReplicaSet) bool { return s.DeletionTimestamp != nil })
	surplus := len(old) - int(limit)
	if surplus <= 0 {
		return nil
	}
	slices.SortStableFunc(old, func(a, b *appsv1.ReplicaSet) int { return cmp.Compare(revision(a), revision(b)) })
	for _, set := range old[:surplus] {
		if set.Status.Replicas != 0 || size(set) != 0 || set.Generation > set.Status.ObservedGeneration {
			continue
		}
		err := c.client.ReplicaSets(set.Namespace).Delete(ctx, set.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &set.UID, ResourceVersion: &set.ResourceVersion}})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}
