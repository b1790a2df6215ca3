package daemonset

import (
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/controller/podcontrol"
)

// generationLabel tells the generation of the template, where the API keeps one.
const generationLabel = "pod-template-generation"

// tolerations are what every daemon's pod tolerates besides its own: a node that
// is in trouble needs its daemons.
func tolerations(spec *corev1.PodSpec) []corev1.Toleration {
	var all []corev1.Toleration
	exists := func(key string, effect corev1.TaintEffect) {
		all = append(all, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: effect})
	}
	exists(corev1.TaintNodeNotReady, corev1.TaintEffectNoExecute)
	exists(corev1.TaintNodeUnreachable, corev1.TaintEffectNoExecute)
	exists(corev1.TaintNodeDiskPressure, corev1.TaintEffectNoSchedule)
	exists(corev1.TaintNodeMemoryPressure, corev1.TaintEffectNoSchedule)
	exists(corev1.TaintNodePIDPressure, corev1.TaintEffectNoSchedule)
	exists(corev1.TaintNodeUnschedulable, corev1.TaintEffectNoSchedule)
	if spec.HostNetwork {
		exists(corev1.TaintNodeNetworkUnavailable, corev1.TaintEffectNoSchedule)
	}
	own := slices.DeleteFunc(slices.Clone(spec.Tolerations), func(t corev1.Toleration) bool {
		return slices.ContainsFunc(all, func(d corev1.Toleration) bool { return d.MatchToleration(&t) })
	})
	return append(own, all...)
}

// podFor is the pod for a node. The scheduler binds it there, because its
// affinity leaves no other.
func (s *state) podFor(control *podcontrol.Control, node string) *corev1.Pod {
	pod := control.FromTemplate(s.ds, &s.ds.Spec.Template)
	pod.Labels = maps.Clone(pod.Labels)
	pod.Labels[appsv1.DefaultDaemonSetUniqueLabelKey] = s.hash
	if generation := s.ds.Annotations[appsv1.DeprecatedTemplateGeneration]; generation != "" {
		pod.Labels[generationLabel] = generation
	}
	pod.Spec.Tolerations = tolerations(&pod.Spec)
	pin(&pod.Spec, node)
	return pod
}

// pin replaces the terms of the required node affinity: that the node satisfies
// them is known.
func pin(spec *corev1.PodSpec, node string) {
	if spec.Affinity == nil {
		spec.Affinity = &corev1.Affinity{}
	}
	if spec.Affinity.NodeAffinity == nil {
		spec.Affinity.NodeAffinity = &corev1.NodeAffinity{}
	}
	spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchFields: []corev1.NodeSelectorRequirement{{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
		}},
	}
}

// target is the node that a pod is on or meant for; "" when it names none.
func target(pod *corev1.Pod) string {
	if pod.Spec.NodeName != "" {
		return pod.Spec.NodeName
	}
	if a := pod.Spec.Affinity; a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return ""
	}
	for _, term := range pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		for _, field := range term.MatchFields {
			if field.Key == metav1.ObjectNameField && field.Operator == corev1.NodeSelectorOpIn && len(field.Values) == 1 {
				return field.Values[0]
			}
		}
	}
	return ""
}
