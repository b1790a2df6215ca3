package admission

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/utils/ptr"
)

// tolerationSeconds is how long pods stay on a node that is not ready or
// cannot be reached, unless they say otherwise.
const tolerationSeconds = 300

// tolerations lets pods outlast a short absence of their node.
type tolerations struct{ *admission.Handler }

var _ admission.MutationInterface = (*tolerations)(nil)

func newTolerations() *tolerations {
	return &tolerations{admission.NewHandler(admission.Create, admission.Update)}
}

// Admit adds the tolerations that the pod does not have.
func (*tolerations) Admit(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if !is(a, "pods", "") {
		return nil
	}
	pod, ok := a.GetObject().(*corev1.Pod)
	if !ok {
		return wrongType(a, a.GetObject())
	}
	// both are looked for before either is added
	var missing []corev1.Toleration
	for _, key := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		if !slices.ContainsFunc(pod.Spec.Tolerations, func(t corev1.Toleration) bool { return evictionSettled(t, key) }) {
			missing = append(missing, corev1.Toleration{
				Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: ptr.To[int64](tolerationSeconds),
			})
		}
	}
	pod.Spec.Tolerations = append(pod.Spec.Tolerations, missing...)
	return nil
}

// evictionSettled: the toleration says what shall happen at the taint.
func evictionSettled(t corev1.Toleration, key string) bool {
	return (t.Key == key || t.Key == "") && (t.Effect == corev1.TaintEffectNoExecute || t.Effect == "")
}

// nodeTaint keeps pods off a new node until the node controller has seen it
// ready.
type nodeTaint struct{ *admission.Handler }

var _ admission.MutationInterface = (*nodeTaint)(nil)

func newNodeTaint() *nodeTaint { return &nodeTaint{admission.NewHandler(admission.Create)} }

// Admit taints a new node as not ready.
func (*nodeTaint) Admit(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if !is(a, "nodes", "") {
		return nil
	}
	node, ok := a.GetObject().(*corev1.Node)
	if !ok {
		return wrongType(a, a.GetObject())
	}
	taint := corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}
	if !slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&taint) }) {
		node.Spec.Taints = append(node.Spec.Taints, taint)
	}
	return nil
}
