package deployment

import (
	"cmp"
	"context"
	"math"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
)

// scaleAll follows a change of the wanted size in the middle of a roll-out, or
// of one that is paused, without advancing the roll-out.
func (c *Controller) scaleAll(ctx context.Context, r *rollout) error {
	if err := c.resize(ctx, r); err != nil {
		return err
	}
	if r.d.Spec.Paused {
		return c.cleanUp(ctx, r)
	}
	return nil
}

func (c *Controller) resize(ctx context.Context, r *rollout) error {
	if only := r.onlyActive(); only != nil {
		others := slices.DeleteFunc(r.all(), func(s *appsv1.ReplicaSet) bool { return s == only })
		recreate := r.d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType
		if recreate && size(only) < r.want() && c.podsRun(others) {
			return nil
		}
		return c.scale(ctx, r, only, r.grownSize(only))
	}
	sizes := map[string]int32{}
	switch {
	case r.saturated():
		for _, set := range active(r.old) {
			sizes[set.Name] = 0
		}
	case r.d.Spec.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType:
		sizes = r.proportionalSizes()
	}
	for _, set := range active(r.all()) {
		if n, wanted := sizes[set.Name]; wanted {
			if err := c.scale(ctx, r, set, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// grownSize is the wanted size, or less while other sets still have pods that
// they are about to delete.
func (r *rollout) grownSize(only *appsv1.ReplicaSet) int32 {
	if size(only) > r.want() {
		return r.want()
	}
	room := r.want() + r.maxSurge - size(only)
	for _, set := range r.all() {
		switch {
		case set == only:
		case isUnobserved(set):
			return size(only)
		default:
			room -= occupied(set)
		}
	}
	return size(only) + max(min(room, r.want()-size(only)), 0)
}

// onlyActive is the one set that wants pods; without any, the current one or the
// youngest. nil when several do, or there is no set.
func (r *rollout) onlyActive() *appsv1.ReplicaSet {
	switch sets := active(r.all()); {
	case len(sets) == 1:
		return sets[0]
	case len(sets) > 1:
		return nil
	case r.current != nil:
		return r.current
	case len(r.old) > 0:
		return r.old[len(r.old)-1]
	}
	return nil
}

// saturated says whether the current set has all the pods that are wanted.
func (r *rollout) saturated() bool {
	if r.current == nil || isUnobserved(r.current) {
		return false
	}
	desired, known := number(r.current, desiredReplicasAnnotation)
	return known && desired == r.want() && size(r.current) == r.want() && r.current.Status.AvailableReplicas == r.want()
}

// proportionalSizes shares the change among the sets that have pods, so that a
// template that is no good gets no larger share of them. Nothing grows while a
// set still has pods that it is about to delete.
func (r *rollout) proportionalSizes() map[string]int32 {
	sets := active(r.all())
	var allowed int32
	if r.want() > 0 {
		allowed = r.want() + r.maxSurge
	}
	change := allowed - sum(sets, size)
	if change > 0 && slices.ContainsFunc(r.all(), isUnsettled) {
		return nil
	}
	// The largest first. Among equals the younger gain and the older lose first.
	slices.SortStableFunc(sets, func(a, b *appsv1.ReplicaSet) int {
		age := byAge(a, b)
		if change > 0 {
			age = -age
		}
		return cmp.Or(cmp.Compare(size(b), size(a)), age)
	})
	sizes, left := map[string]int32{}, change
	for _, set := range sets {
		share := r.share(set)
		if change > 0 {
			share = min(share, left)
		} else {
			share = max(share, left)
		}
		if left == 0 {
			share = 0
		}
		sizes[set.Name], left = size(set)+share, left-share
	}
	if len(sets) > 0 {
		sizes[sets[0].Name] = max(sizes[sets[0].Name]+left, 0)
	}
	return sizes
}

func isUnsettled(set *appsv1.ReplicaSet) bool {
	return isUnobserved(set) || set.Status.Replicas > size(set)
}

// share is by how much a set must change to stay the same fraction of the whole.
func (r *rollout) share(set *appsv1.ReplicaSet) int32 {
	if r.want() == 0 {
		return -size(set)
	}
	before, known := number(set, maxReplicasAnnotation)
	if !known || before == 0 {
		before = r.d.Status.Replicas
	}
	if before == 0 {
		return 0
	}
	scaled := float64(size(set)) * float64(r.want()+r.maxSurge) / float64(before)
	return int32(math.Round(scaled)) - size(set)
}
