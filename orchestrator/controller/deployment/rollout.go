package deployment

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// rollout is one deployment with its replica sets at one time. The sets are
// replaced in it by what was written.
type rollout struct {
	d   *appsv1.Deployment // own copy; its status and annotations collect what is to be written
	now time.Time
	// current has the deployment's template; nil when there is none yet. The old
	// ones come after one another by age.
	current *appsv1.ReplicaSet
	old     []*appsv1.ReplicaSet
	// scaling: the deployment is paused or was just scaled, which says nothing
	// about its progress.
	scaling bool

	maxSurge, maxUnavailable int32
}

// newRollout takes the sets by age.
func newRollout(d *appsv1.Deployment, sets []*appsv1.ReplicaSet, now time.Time) *rollout {
	r := &rollout{d: d, now: now}
	for _, set := range sets {
		if r.current == nil && sameTemplate(&set.Spec.Template, &d.Spec.Template) {
			r.current = set
		} else {
			r.old = append(r.old, set)
		}
	}
	if d.Spec.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType && d.Spec.Strategy.RollingUpdate != nil {
		r.maxSurge, r.maxUnavailable = bounds(d.Spec.Strategy.RollingUpdate, r.want())
	}
	return r
}

// bounds resolves percentages: those of the surge are rounded up, those of what
// may be unavailable down, and with neither one pod may be unavailable, for else
// nothing could move.
func bounds(s *appsv1.RollingUpdateDeployment, replicas int32) (surge, unavailable int32) {
	surge, unavailable = scaled(s.MaxSurge, replicas, true), scaled(s.MaxUnavailable, replicas, false)
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, min(unavailable, replicas)
}

func scaled(value *intstr.IntOrString, replicas int32, up bool) int32 {
	if value == nil {
		return 0
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(value, int(replicas), up)
	if err != nil { // validation leaves none
		return 0
	}
	return int32(max(n, 0))
}

// sameTemplate compares without the hash that a replica set's template has.
func sameTemplate(a, b *corev1.PodTemplateSpec) bool {
	x, y := *a, *b
	x.Labels, y.Labels = withoutHash(a.Labels), withoutHash(b.Labels)
	return equality.Semantic.DeepEqual(x, y)
}

func withoutHash(labels map[string]string) map[string]string {
	without := make(map[string]string, len(labels))
	for k, v := range labels {
		if k != appsv1.DefaultDeploymentUniqueLabelKey {
			without[k] = v
		}
	}
	return without
}

func byAge(a, b *appsv1.ReplicaSet) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
}

func (r *rollout) want() int32 { return orElse(r.d.Spec.Replicas, 1) }

func orElse(n *int32, otherwise int32) int32 {
	if n == nil {
		return otherwise
	}
	return *n
}

func size(set *appsv1.ReplicaSet) int32 { return orElse(set.Spec.Replicas, 1) }

// all is the old sets and the current one, if there is one.
func (r *rollout) all() []*appsv1.ReplicaSet {
	if r.current == nil {
		return slices.Clone(r.old)
	}
	return append(slices.Clone(r.old), r.current)
}

// active are the sets that want pods.
func active(sets []*appsv1.ReplicaSet) []*appsv1.ReplicaSet {
	return slices.DeleteFunc(slices.Clone(sets), func(s *appsv1.ReplicaSet) bool { return size(s) == 0 })
}

func sum(sets []*appsv1.ReplicaSet, of func(*appsv1.ReplicaSet) int32) int32 {
	var total int32
	for _, set := range sets {
		total += of(set)
	}
	return total
}

// available is how many pods of a set are available and will stay. The status
// may still count those that the set is about to delete.
func available(set *appsv1.ReplicaSet) int32 { return min(set.Status.AvailableReplicas, size(set)) }

// occupied is how many pods a set has or will have, those included that it is
// about to delete.
func occupied(set *appsv1.ReplicaSet) int32 { return max(set.Status.Replicas, size(set)) }

// replace puts a set that was written in the place of its former state.
func (r *rollout) replace(set *appsv1.ReplicaSet) {
	if i := slices.IndexFunc(r.old, func(o *appsv1.ReplicaSet) bool { return o.UID == set.UID }); i >= 0 {
		r.old[i] = set
	} else {
		r.current = set
	}
}

// wasScaled says whether the wanted size has changed since the sets were sized.
func (r *rollout) wasScaled() bool {
	return slices.ContainsFunc(active(r.all()), func(set *appsv1.ReplicaSet) bool {
		desired, known := number(set, desiredReplicasAnnotation)
		return known && desired != r.want()
	})
}

func (r *rollout) hasDeadline() bool {
	return r.d.Spec.ProgressDeadlineSeconds != nil && *r.d.Spec.ProgressDeadlineSeconds != math.MaxInt32
}
