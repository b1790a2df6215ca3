package admission

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apiserver/pkg/admission"
)

// checkNode: a node may write only its own Node, and nothing in it that would
// draw other pods to it.
func checkNode(node string, a admission.Attributes) error {
	n, ok := a.GetObject().(*corev1.Node)
	name := a.GetName()
	if ok && a.GetOperation() == admission.Create {
		name = n.Name
	}
	if name != node {
		return forbid(a, "node %q is not allowed to modify node %q", node, name)
	}
	if a.GetOperation() == admission.Delete {
		return nil
	}
	if !ok {
		return wrongType(a, a.GetObject())
	}
	if a.GetOperation() == admission.Create {
		return checkNewNode(node, a, n)
	}
	old, ok := a.GetOldObject().(*corev1.Node)
	if !ok {
		return wrongType(a, a.GetOldObject())
	}
	return checkNodeUpdate(node, a, old, n)
}

func checkNewNode(node string, a admission.Attributes, n *corev1.Node) error {
	if n.Spec.ConfigSource != nil {
		return forbid(a, "node %q is not allowed to create pods with a non-nil configSource", node)
	}
	if labels := forbiddenLabels(nil, n.Labels); len(labels) > 0 {
		return forbid(a, "node %q is not allowed to set the following labels: %s", node, strings.Join(labels, ", "))
	}
	return nil
}

func checkNodeUpdate(node string, a admission.Attributes, old, n *corev1.Node) error {
	switch {
	case n.Spec.ConfigSource != nil && !equality.Semantic.DeepEqual(n.Spec.ConfigSource, old.Spec.ConfigSource):
		return forbid(a, "node %q is not allowed to update configSource to a new non-nil configSource", node)
	case !equality.Semantic.DeepEqual(n.Spec.Taints, old.Spec.Taints):
		return forbid(a, "node %q is not allowed to modify taints", node)
	case !equality.Semantic.DeepEqual(n.OwnerReferences, old.OwnerReferences):
		return forbid(a, "node %q is not allowed to modify ownerReferences", node)
	}
	if labels := forbiddenLabels(old.Labels, n.Labels); len(labels) > 0 {
		return forbid(a, "is not allowed to modify labels: %s", strings.Join(labels, ", "))
	}
	return nil
}

// forbiddenLabels are those that differ and that a node may not set of itself.
func forbiddenLabels(old, new map[string]string) []string {
	all := maps.Clone(old)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, new)
	var labels []string
	for key := range all {
		before, had := old[key]
		after, has := new[key]
		if (had != has || before != after) && !mayLabel(key) {
			labels = append(labels, key)
		}
	}
	slices.Sort(labels)
	return labels
}

func mayLabel(key string) bool {
	namespace, _, found := strings.Cut(key, "/")
	if !found {
		return true
	}
	switch {
	case below(namespace, corev1.LabelNamespaceNodeRestriction):
		return false
	case !below(namespace, "kubernetes.io") && !below(namespace, "k8s.io"):
		return true
	case below(namespace, corev1.LabelNamespaceSuffixKubelet) || below(namespace, corev1.LabelNamespaceSuffixNode):
		return true
	}
	return slices.Contains(nodeLabels(), key)
}

func below(namespace, domain string) bool {
	return namespace == domain || strings.HasSuffix(namespace, "."+domain)
}

// nodeLabels are the labels of Kubernetes's own namespaces that describe a node
// and that it sets itself.
func nodeLabels() []string {
	return []string{
		corev1.LabelHostname, corev1.LabelTopologyZone, corev1.LabelTopologyRegion,
		corev1.LabelFailureDomainBetaZone, corev1.LabelFailureDomainBetaRegion,
		corev1.LabelInstanceType, corev1.LabelInstanceTypeStable,
		corev1.LabelOSStable, corev1.LabelArchStable, "beta.kubernetes.io/os", "beta.kubernetes.io/arch",
	}
}
