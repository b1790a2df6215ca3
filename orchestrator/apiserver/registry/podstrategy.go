package registry

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// podStrategy is that of pods as a whole. Their status is kept at updates.
func podStrategy() Strategy[*corev1.Pod] {
	return Strategy[*corev1.Pod]{
		PrepareForCreate: prepareNewPod,
		Validate:         checked(validation.ValidatePodCreate),
		WarningsOnCreate: func(_ context.Context, p *corev1.Pod) []string { return validation.PodWarnings(p) },
		PrepareForUpdate: func(_ context.Context, p, old *corev1.Pod) {
			p.Status = old.Status
			raise(p, old, p.Spec, old.Spec)
		},
		ValidateUpdate:      checkedUpdate(validation.ValidatePodUpdate),
		CheckGracefulDelete: setPodGrace,
		ResetFields:         []string{"status"},
	}
}

// podStatusStrategy is that of the status, which agents write.
func podStatusStrategy() Strategy[*corev1.Pod] {
	return Strategy[*corev1.Pod]{
		PrepareForUpdate: preparePodStatus,
		ValidateUpdate:   checkedUpdate(validation.ValidatePodStatusUpdate),
		ResetFields:      []string{"spec", "metadata.deletionTimestamp", "metadata.ownerReferences"},
	}
}

// ephemeralContainersStrategy adds debugging containers and nothing else.
func ephemeralContainersStrategy() Strategy[*corev1.Pod] {
	return Strategy[*corev1.Pod]{
		PrepareForUpdate: func(_ context.Context, p, old *corev1.Pod) {
			added := p.Spec.EphemeralContainers
			resetToOld(p, old)
			p.Spec.EphemeralContainers = added
			raise(p, old, p.Spec, old.Spec)
		},
		ValidateUpdate: checkedUpdate(validation.ValidatePodEphemeralContainersUpdate),
	}
}

// resetToOld takes everything from the old pod but its managers and version.
func resetToOld(p, old *corev1.Pod) {
	p.Spec, p.Status = *old.Spec.DeepCopy(), old.Status
	metav1.ResetObjectMetaForStatus(&p.ObjectMeta, &old.ObjectMeta)
}

func prepareNewPod(_ context.Context, p *corev1.Pod) {
	p.Generation = 1
	p.Status = corev1.PodStatus{Phase: corev1.PodPending, QOSClass: podutil.ComputeQOS(p)}
	if len(p.Spec.SchedulingGates) > 0 {
		p.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonSchedulingGated,
			Message: "Scheduling is blocked due to non-empty scheduling gates",
		}}
	}
	mergeLabelKeys(p)
}

// mergeLabelKeys adds to selectors of other pods the values that this pod has
// of the labels named beside them.
func mergeLabelKeys(p *corev1.Pod) {
	if a := p.Spec.Affinity; a != nil {
		if a.PodAffinity != nil {
			mergeTerms(p, a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
		}
		if a.PodAntiAffinity != nil {
			mergeTerms(p, a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
		}
	}
	for i := range p.Spec.TopologySpreadConstraints {
		c := &p.Spec.TopologySpreadConstraints[i]
		mergeKeys(p, c.LabelSelector, c.MatchLabelKeys, metav1.LabelSelectorOpIn)
	}
}

func mergeTerms(p *corev1.Pod, required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm) {
	merge := func(t *corev1.PodAffinityTerm) {
		mergeKeys(p, t.LabelSelector, t.MatchLabelKeys, metav1.LabelSelectorOpIn)
		mergeKeys(p, t.LabelSelector, t.MismatchLabelKeys, metav1.LabelSelectorOpNotIn)
	}
	for i := range required {
		merge(&required[i])
	}
	for i := range preferred {
		merge(&preferred[i].PodAffinityTerm)
	}
}

func mergeKeys(p *corev1.Pod, s *metav1.LabelSelector, keys []string, operator metav1.LabelSelectorOperator) {
	if s == nil {
		return
	}
	for _, key := range keys {
		if value, ok := p.Labels[key]; ok {
			s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: key, Operator: operator, Values: []string{value}})
		}
	}
}

func preparePodStatus(_ context.Context, p, old *corev1.Pod) {
	p.Spec = old.Spec
	p.DeletionTimestamp = nil
	p.OwnerReferences = old.OwnerReferences
	if p.Status.QOSClass == "" {
		p.Status.QOSClass = old.Status.QOSClass
	}
	keepObservedGenerations(p, old)
}

// keepObservedGenerations takes from old what clients that do not know the
// field have left out.
func keepObservedGenerations(p, old *corev1.Pod) {
	if p.Status.ObservedGeneration == 0 {
		p.Status.ObservedGeneration = old.Status.ObservedGeneration
	}
	before := map[corev1.PodConditionType][]int64{}
	for _, c := range old.Status.Conditions {
		before[c.Type] = append(before[c.Type], c.ObservedGeneration)
	}
	for i := range p.Status.Conditions {
		c := &p.Status.Conditions[i]
		var was int64
		if all := before[c.Type]; len(all) > 0 {
			was, before[c.Type] = all[0], all[1:]
		}
		if c.ObservedGeneration == 0 {
			c.ObservedGeneration = was
		}
	}
}

// setPodGrace sets the seconds that a pod has to end: what the client says or
// else the pod, none where nothing runs. It is called first with the pod of the
// watch cache, which may not have been bound there yet, and then with the newest
// one and the same options: a pod without a node must leave them as they are.
func setPodGrace(_ context.Context, p *corev1.Pod, options *metav1.DeleteOptions) bool {
	if options == nil || p.Spec.NodeName == "" {
		return false
	}
	var seconds int64
	switch {
	case podutil.IsTerminal(p):
	case options.GracePeriodSeconds != nil:
		seconds = *options.GracePeriodSeconds
	case p.Spec.TerminationGracePeriodSeconds != nil:
		seconds = *p.Spec.TerminationGracePeriodSeconds
	}
	if seconds < 0 {
		seconds = 1
	}
	options.GracePeriodSeconds = &seconds
	return true
}
