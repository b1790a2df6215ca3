package disruption

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// deletionTimeout is how long a pod may live on after its eviction was granted:
// then it was not carried out, and the pod counts again.
const deletionTimeout = 2 * time.Minute

// disrupted are the pods whose eviction was granted and is not seen yet.
type disrupted struct {
	pods    map[string]metav1.Time
	overdue []*corev1.Pod
	next    time.Time // when the first of pods is overdue; zero without any
}

// pending are the budget's disrupted pods that are not being deleted yet. Those
// that are gone are in no cache, and are dropped.
func pending(b *policyv1.PodDisruptionBudget, pods []*corev1.Pod, now time.Time) disrupted {
	d := disrupted{pods: map[string]metav1.Time{}}
	for _, pod := range pods {
		at, granted := b.Status.DisruptedPods[pod.Name]
		if !granted || pod.DeletionTimestamp != nil {
			continue
		}
		due := at.Add(deletionTimeout)
		if !due.After(now) {
			d.overdue = append(d.overdue, pod)
			continue
		}
		d.pods[pod.Name] = at
		if d.next.IsZero() || due.Before(d.next) {
			d.next = due
		}
	}
	return d
}

// healthy counts the ready pods that stay.
func healthy(pods []*corev1.Pod, disrupted map[string]metav1.Time) (n int32) {
	for _, pod := range pods {
		if _, leaving := disrupted[pod.Name]; !leaving && pod.DeletionTimestamp == nil && podutil.IsReady(pod) {
			n++
		}
	}
	return n
}

func statusOf(b *policyv1.PodDisruptionBudget, e expectation, healthy int32, disrupted map[string]metav1.Time) policyv1.PodDisruptionBudgetStatus {
	allowed := max(healthy-e.desired, 0)
	if e.expected <= 0 {
		allowed = 0
	}
	s := policyv1.PodDisruptionBudgetStatus{
		CurrentHealthy: healthy, DesiredHealthy: e.desired, ExpectedPods: e.expected, DisruptionsAllowed: allowed,
		ObservedGeneration: b.Generation, Conditions: b.DeepCopy().Status.Conditions,
	}
	if len(disrupted) > 0 {
		s.DisruptedPods = disrupted
	}
	condition := metav1.Condition{
		Type: policyv1.DisruptionAllowedCondition, Status: metav1.ConditionFalse,
		Reason: policyv1.InsufficientPodsReason, ObservedGeneration: b.Generation,
	}
	if allowed > 0 {
		condition.Status, condition.Reason = metav1.ConditionTrue, policyv1.SufficientPodsReason
	}
	meta.SetStatusCondition(&s.Conditions, condition)
	return s
}

// failedStatus allows nothing and says why. The rest is what was known last.
func failedStatus(b *policyv1.PodDisruptionBudget, cause error) policyv1.PodDisruptionBudgetStatus {
	s := b.DeepCopy().Status
	s.DisruptionsAllowed = 0
	meta.SetStatusCondition(&s.Conditions, metav1.Condition{
		Type: policyv1.DisruptionAllowedCondition, Status: metav1.ConditionFalse, Reason: policyv1.SyncFailedReason,
		Message: cause.Error(), ObservedGeneration: s.ObservedGeneration,
	})
	return s
}

func equalStatus(a, b *policyv1.PodDisruptionBudgetStatus) bool {
	return equality.Semantic.DeepEqual(a, b)
}
