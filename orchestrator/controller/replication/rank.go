package replication

import (
	"cmp"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/orchestrator/controller/podevents"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// rankForDeletion sorts pods, those that are missed least first. colocated is
// the number of pods of this sort by node; where there are more, one is missed
// less; minReady is how long a pod must be ready to be available. The slice is
// changed and returned.
func rankForDeletion(pods []*corev1.Pod, colocated map[string]int, minReady time.Duration, now time.Time) []*corev1.Pod {
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		readyA, readyB := podutil.IsReady(a), podutil.IsReady(b)
		if c := cmp.Or(
			falseFirst(a.Spec.NodeName != "", b.Spec.NodeName != ""),
			cmp.Compare(phaseRank(a), phaseRank(b)),
			falseFirst(readyA, readyB),
			cmp.Compare(deletionCost(a), deletionCost(b)),
			falseFirst(podutil.IsAvailable(a, minReady, now), podutil.IsAvailable(b, minReady, now)),
			cmp.Compare(colocated[b.Spec.NodeName], colocated[a.Spec.NodeName]),
		); c != 0 {
			return c
		}
		if readyA {
			since, other := podevents.ReadySince(a), podevents.ReadySince(b)
			if c := youngerFirst(since.Time, other.Time, now, a, b); c != 0 {
				return c
			}
		}
		return cmp.Or(compareRestarts(a, b), youngerFirst(a.CreationTimestamp.Time, b.CreationTimestamp.Time, now, a, b),
			strings.Compare(string(a.UID), string(b.UID)))
	})
	return pods
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func phaseRank(pod *corev1.Pod) int {
	switch pod.Status.Phase {
	case corev1.PodRunning:
		return 2
	case corev1.PodUnknown:
		return 1
	}
	return 0
}

// deletionCost is what the user has said about the pod; 0 when it is no number
// as Kubernetes writes it.
func deletionCost(pod *corev1.Pod) int32 {
	text := pod.Annotations[corev1.PodDeletionCost]
	cost, err := strconv.ParseInt(text, 10, 32)
	if err != nil || text[0] == '+' || text[0] == '0' && len(text) > 1 {
		return 0
	}
	return int32(cost)
}

// youngerFirst compares ages by their order of magnitude (powers of two), and
// pods of about the same age by UID: the very newest are not always the best
// to delete, since they may be those on the newest nodes.
func youngerFirst(a, b, now time.Time, podA, podB *corev1.Pod) int {
	switch {
	case a.Equal(b):
		return 0
	case a.IsZero():
		return -1
	case b.IsZero():
		return 1
	}
	return cmp.Or(cmp.Compare(magnitude(now.Sub(a)), magnitude(now.Sub(b))), strings.Compare(string(podA.UID), string(podB.UID)))
}

func magnitude(age time.Duration) int { return bits.Len64(uint64(max(age, 0))) }

// compareRestarts puts the pod first whose containers have restarted more; those
// of its sidecars decide when the others are equal.
func compareRestarts(a, b *corev1.Pod) int {
	regularA, sidecarsA := mostRestarts(a)
	regularB, sidecarsB := mostRestarts(b)
	return cmp.Or(cmp.Compare(regularB, regularA), cmp.Compare(sidecarsB, sidecarsA))
}

func mostRestarts(pod *corev1.Pod) (regular, sidecars int32) {
	for i := range pod.Status.ContainerStatuses {
		regular = max(regular, pod.Status.ContainerStatuses[i].RestartCount)
	}
	for i := range pod.Spec.InitContainers {
		init := &pod.Spec.InitContainers[i]
		if !podutil.IsSidecar(init) {
			continue
		}
		for j := range pod.Status.InitContainerStatuses {
			if s := &pod.Status.InitContainerStatuses[j]; s.Name == init.Name {
				sidecars = max(sidecars, s.RestartCount)
			}
		}
	}
	return regular, sidecars
}
