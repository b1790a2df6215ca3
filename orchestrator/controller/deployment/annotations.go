package deployment

import (
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// What replica sets, and the first of them deployments, are annotated with.
const (
	revisionAnnotation        = "deployment.kubernetes.io/revision"
	revisionHistoryAnnotation = "deployment.kubernetes.io/revision-history"
	desiredReplicasAnnotation = "deployment.kubernetes.io/desired-replicas"
	maxReplicasAnnotation     = "deployment.kubernetes.io/max-replicas"
)

// maxHistoryLength bounds the annotation of former revisions, in bytes.
const maxHistoryLength = 2000

// isOwn says whether an annotation is one of a set's own, not to be taken over
// from its deployment.
func isOwn(name string) bool {
	switch name {
	case corev1.LastAppliedConfigAnnotation, revisionAnnotation, revisionHistoryAnnotation,
		desiredReplicasAnnotation, maxReplicasAnnotation, appsv1.DeprecatedRollbackTo:
		return true
	}
	return false
}

// number reads an annotation of a replica set; false when it is none or no
// number of replicas.
func number(set *appsv1.ReplicaSet, name string) (int32, bool) {
	n, err := strconv.ParseUint(set.Annotations[name], 10, 31)
	return int32(n), err == nil
}

// revision is 0 without one.
func revision(set *appsv1.ReplicaSet) int64 {
	n, _ := strconv.ParseInt(set.Annotations[revisionAnnotation], 10, 64)
	return n
}

func annotate(set *appsv1.ReplicaSet, name, value string) (changed bool) {
	if known, ok := set.Annotations[name]; ok && known == value {
		return false
	}
	if set.Annotations == nil {
		set.Annotations = map[string]string{}
	}
	set.Annotations[name] = value
	return true
}

// annotateSizes tells what the deployment wanted when the set was last sized.
func (r *rollout) annotateSizes(set *appsv1.ReplicaSet) (changed bool) {
	desired := annotate(set, desiredReplicasAnnotation, strconv.Itoa(int(r.want())))
	most := annotate(set, maxReplicasAnnotation, strconv.Itoa(int(r.want()+r.maxSurge)))
	return desired || most
}

// nextRevision is the one that the current set must at least have.
func (r *rollout) nextRevision() int64 {
	var last int64
	for _, set := range r.old {
		last = max(last, revision(set))
	}
	return last + 1
}

// annotateRevision makes a set the newest revision and takes over the
// deployment's annotations. A set whose revision is no number is left as it is.
func (r *rollout) annotateRevision(set *appsv1.ReplicaSet) (changed bool) {
	for name, value := range r.d.Annotations {
		if !isOwn(name) && annotate(set, name, value) {
			changed = true
		}
	}
	known := set.Annotations[revisionAnnotation]
	if n, err := strconv.ParseInt(known, 10, 64); known != "" && (err != nil || n >= r.nextRevision()) {
		return changed
	}
	annotate(set, revisionAnnotation, strconv.FormatInt(r.nextRevision(), 10))
	if known != "" {
		annotate(set, revisionHistoryAnnotation, appendHistory(set.Annotations[revisionHistoryAnnotation], known))
	}
	return true
}

// appendHistory drops the oldest revisions of a history that is too long.
func appendHistory(history, revision string) string {
	if history != "" {
		history += ","
	}
	history += revision
	for len(history) > maxHistoryLength {
		_, rest, more := strings.Cut(history, ",")
		if !more {
			break
		}
		history = rest
	}
	return history
}
