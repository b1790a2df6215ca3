package filter

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

func checkUnschedulable(t *snapshot.Template, n *snapshot.Node) Verdict {
	if !n.Object.Spec.Unschedulable {
		return Verdict{}
	}
	taint := v1.Taint{Key: v1.TaintNodeUnschedulable, Effect: v1.TaintEffectNoSchedule}
	if Tolerates(t.Tolerations, &taint) {
		return Verdict{}
	}
	return Verdict{Rule: Unschedulable, Final: true}
}

func checkTaints(t *snapshot.Template, n *snapshot.Node) Verdict {
	if Repelled(t.Tolerations, n.Object.Spec.Taints) {
		return Verdict{Rule: Taints, Final: true}
	}
	return Verdict{}
}

// Repelled says whether any taint keeps the pod off the node.
func Repelled(tolerations []v1.Toleration, taints []v1.Taint) bool {
	for i := range taints {
		if taints[i].Effect != v1.TaintEffectPreferNoSchedule && !Tolerates(tolerations, &taints[i]) {
			return true
		}
	}
	return false
}

// Tolerates says whether any of the tolerations matches the taint.
func Tolerates(tolerations []v1.Toleration, taint *v1.Taint) bool {
	for i := range tolerations {
		if tolerations[i].ToleratesTaint(klog.Logger{}, taint, false) {
			return true
		}
	}
	return false
}
