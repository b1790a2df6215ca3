package admission

import (
	"context"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"
)

// checkPodRange: a node that registers anew says which pods' addresses it had;
// those of another node it may not have, for they would be routed to it.
func (n *nodeRestriction) checkPodRange(ctx context.Context, node string, a admission.Attributes) error {
	claimed, ok := a.GetObject().(*corev1.Node)
	old, _ := a.GetOldObject().(*corev1.Node)
	if !ok || len(claimed.Spec.PodCIDRs) == 0 || old != nil && slices.Equal(old.Spec.PodCIDRs, claimed.Spec.PodCIDRs) {
		return nil
	}
	all, err := n.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return admission.NewForbidden(a, err)
	}
	for _, other := range all.Items {
		if other.Name != node && overlap(other.Spec.PodCIDRs, claimed.Spec.PodCIDRs) {
			return forbid(a, "node %q is not allowed to set spec.podCIDRs to %v: node %q has %v", node, claimed.Spec.PodCIDRs, other.Name, other.Spec.PodCIDRs)
		}
	}
	return nil
}

// overlap leaves what is no range to validation.
func overlap(some, others []string) bool {
	return slices.ContainsFunc(some, func(one string) bool {
		prefix, err := netip.ParsePrefix(one)
		return err == nil && slices.ContainsFunc(others, func(other string) bool {
			p, err := netip.ParsePrefix(other)
			return err == nil && p.Overlaps(prefix)
		})
	})
}
