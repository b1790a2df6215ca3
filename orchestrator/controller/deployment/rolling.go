package deployment

import (
	"context"
	"slices"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// roll takes one step of a rolling update: it makes the current set larger, or
// else the old ones smaller.
func (c *Controller) roll(ctx context.Context, r *rollout) error {
	if err := c.ensureCurrent(ctx, r); err != nil || r.current == nil {
		return err
	}
	if n := r.nextSize(size(r.current)); n != size(r.current) {
		return c.scale(ctx, r, r.current, n)
	}
	shrunk, err := c.shrinkOld(ctx, r)
	if err != nil || shrunk {
		return err
	}
	if r.complete(&r.d.Status) {
		return c.cleanUp(ctx, r)
	}
	return nil
}

// nextSize is how large the current set may be, which has size n now. It does not
// grow before the old sets are known to have their last size in mind.
func (r *rollout) nextSize(n int32) int32 {
	if r.d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType || n > r.want() {
		return r.want()
	}
	if slices.ContainsFunc(r.old, isUnobserved) {
		return n
	}
	others := sum(r.old, occupied)
	room := r.want() + r.maxSurge - others - n
	return n + max(min(room, r.want()-n), 0)
}

func isUnobserved(set *appsv1.ReplicaSet) bool { return set.Status.ObservedGeneration < set.Generation }

// shrinkOld makes the old sets smaller, by as many pods as the minimum of
// available pods allows. Pods that are not available go first, for they would
// hold up the roll-out, and then those of the oldest sets.
func (c *Controller) shrinkOld(ctx context.Context, r *rollout) (shrunk bool, err error) {
	if slices.ContainsFunc(r.all(), isUnobserved) {
		return false, nil // how many pods are available is not known
	}
	sizes := r.shrunkSizes()
	for i, set := range r.old {
		if sizes[i] == size(set) {
			continue
		}
		if err := c.scale(ctx, r, set, sizes[i]); err != nil {
			return shrunk, err
		}
		shrunk = true
	}
	return shrunk, nil
}

// shrunkSizes are the sizes that the old sets may have.
func (r *rollout) shrunkSizes() []int32 {
	sizes := make([]int32, len(r.old))
	for i, set := range r.old {
		sizes[i] = size(set)
	}
	least := r.want() - r.maxUnavailable
	// The current set's pods that are not available count as lost, or the old
	// sets would pay for them.
	budget := sum(r.all(), size) - least - (size(r.current) - available(r.current))
	for i, set := range r.old {
		n := max(min(sizes[i]-available(set), budget), 0)
		sizes[i], budget = sizes[i]-n, budget-n
	}
	spare := sum(r.all(), available) - least
	for i := range r.old {
		n := max(min(sizes[i], budget, spare), 0)
		sizes[i], budget, spare = sizes[i]-n, budget-n, spare-n
	}
	return sizes
}

// recreate takes one step of an update in which no old pod runs beside a new one.
func (c *Controller) recreate(ctx context.Context, r *rollout) error {
	if old := active(r.old); len(old) > 0 {
		for _, set := range old {
			if err := c.scale(ctx, r, set, 0); err != nil {
				return err
			}
		}
		return nil
	}
	if c.oldPodsRun(r) {
		return nil
	}
	if err := c.ensureCurrent(ctx, r); err != nil || r.current == nil {
		return err
	}
	if err := c.scale(ctx, r, r.current, r.want()); err != nil {
		return err
	}
	if r.complete(&r.d.Status) {
		return c.cleanUp(ctx, r)
	}
	return nil
}

// oldPodsRun counts pods that are being deleted too: they run until they are
// gone.
func (c *Controller) oldPodsRun(r *rollout) bool { return c.podsRun(r.old) }

func (c *Controller) podsRun(sets []*appsv1.ReplicaSet) bool {
	for _, set := range sets {
		if set.Status.Replicas > 0 || isUnobserved(set) {
			return true
		}
		for _, pod := range c.pods.ControlledBy(set.UID) {
			if !podutil.IsTerminal(pod) {
				return true
			}
		}
	}
	return false
}
