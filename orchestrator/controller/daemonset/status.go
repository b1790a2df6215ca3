package daemonset

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// status counts; of the pods of a node the oldest counts.
func (s *state) status() appsv1.DaemonSetStatus {
	counted := appsv1.DaemonSetStatus{
		ObservedGeneration: s.ds.Generation, CollisionCount: s.ds.Status.CollisionCount, Conditions: s.ds.Status.Conditions,
	}
	for _, node := range s.nodes {
		pods := s.pods[node.Name]
		if !s.runs[node.Name] {
			if len(pods) > 0 {
				counted.NumberMisscheduled++
			}
			continue
		}
		counted.DesiredNumberScheduled++
		if len(pods) == 0 {
			continue
		}
		counted.CurrentNumberScheduled++
		if podutil.IsReady(pods[0]) {
			counted.NumberReady++
		}
		if s.isAvailable(pods[0]) {
			counted.NumberAvailable++
		}
		if s.isUpdated(pods[0]) {
			counted.UpdatedNumberScheduled++
		}
	}
	counted.NumberUnavailable = counted.DesiredNumberScheduled - counted.NumberAvailable
	return counted
}

// updateStatus writes what has changed. After a conflict it tries once more on
// the API's own state, unless the object has another spec by then.
func (c *Controller) updateStatus(ctx context.Context, s *state) error {
	status := s.status()
	client := c.client.AppsV1().DaemonSets(s.ds.Namespace)
	target := s.ds
	for range 2 {
		if equality.Semantic.DeepEqual(target.Status, status) {
			return nil
		}
		updated := target.DeepCopy()
		updated.Status = status
		_, err := client.UpdateStatus(ctx, updated, metav1.UpdateOptions{})
		if !apierrors.IsConflict(err) {
			return ignoreNotFound(err)
		}
		fresh, freshErr := client.Get(ctx, s.ds.Name, metav1.GetOptions{})
		if freshErr != nil {
			return ignoreNotFound(freshErr)
		}
		if target != s.ds || fresh.UID != s.ds.UID || fresh.Generation != s.ds.Generation {
			return err
		}
		target, status.Conditions, status.CollisionCount = fresh, fresh.Status.Conditions, fresh.Status.CollisionCount
	}
	return nil
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
