package nodelifecycle

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// wanted are the taints that a node's conditions ask for.
func wanted(node *corev1.Node) []corev1.Taint {
	var taints []corev1.Taint
	add := func(key string, effects ...corev1.TaintEffect) {
		for _, effect := range effects {
			taints = append(taints, corev1.Taint{Key: key, Effect: effect})
		}
	}
	if node.Spec.Unschedulable {
		add(corev1.TaintNodeUnschedulable, corev1.TaintEffectNoSchedule)
	}
	if ready := condition(node, corev1.NodeReady); ready != nil {
		switch ready.Status {
		case corev1.ConditionFalse:
			add(corev1.TaintNodeNotReady, corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute)
		case corev1.ConditionUnknown:
			add(corev1.TaintNodeUnreachable, corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute)
		}
	}
	for _, pressure := range []struct {
		kind corev1.NodeConditionType
		key  string
	}{
		{corev1.NodeMemoryPressure, corev1.TaintNodeMemoryPressure},
		{corev1.NodeDiskPressure, corev1.TaintNodeDiskPressure},
		{corev1.NodePIDPressure, corev1.TaintNodePIDPressure},
		{corev1.NodeNetworkUnavailable, corev1.TaintNodeNetworkUnavailable},
	} {
		if c := condition(node, pressure.kind); c != nil && c.Status == corev1.ConditionTrue {
			add(pressure.key, corev1.TaintEffectNoSchedule)
		}
	}
	return taints
}

// isOurs says whether a taint is one that conditions ask for. Those of a node
// that has not reported yet are left: it was registered with them.
func isOurs(node *corev1.Node, t *corev1.Taint) bool {
	switch t.Key {
	case corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable:
		return condition(node, corev1.NodeReady) != nil && t.Effect != corev1.TaintEffectPreferNoSchedule
	case corev1.TaintNodeUnschedulable, corev1.TaintNodeMemoryPressure, corev1.TaintNodeDiskPressure, corev1.TaintNodePIDPressure, corev1.TaintNodeNetworkUnavailable:
		return t.Effect == corev1.TaintEffectNoSchedule
	}
	return false
}

// tainted is the node's taints as they should be.
func (c *Controller) tainted(node *corev1.Node) []corev1.Taint {
	missing := wanted(node)
	var taints []corev1.Taint
	for _, t := range node.Spec.Taints {
		i := slices.IndexFunc(missing, func(w corev1.Taint) bool { return w.MatchTaint(&t) })
		if i >= 0 {
			missing = slices.Delete(missing, i, i+1)
		}
		if i >= 0 || !isOurs(node, &t) {
			taints = append(taints, t)
		}
	}
	now := metav1.NewTime(c.o.Clock.Now())
	for _, t := range missing {
		t.TimeAdded = &now
		taints = append(taints, t)
	}
	return taints
}

func (c *Controller) taint(ctx context.Context, node *corev1.Node) error {
	taints := c.tainted(node)
	if equality.Semantic.DeepEqual(taints, node.Spec.Taints) {
		return nil
	}
	updated := node.DeepCopy()
	updated.Spec.Taints = taints
	_, err := c.o.Client.CoreV1().Nodes().Update(ctx, updated, metav1.UpdateOptions{})
	return err
}

func noExecute(node *corev1.Node) []corev1.Taint {
	return slices.DeleteFunc(slices.Clone(node.Spec.Taints), func(t corev1.Taint) bool { return t.Effect != corev1.TaintEffectNoExecute })
}

func sameTaints(a, b []corev1.Taint) bool { return equality.Semantic.DeepEqual(a, b) }

func sameTolerations(a, b *corev1.Pod) bool {
	return equality.Semantic.DeepEqual(a.Spec.Tolerations, b.Spec.Tolerations)
}
