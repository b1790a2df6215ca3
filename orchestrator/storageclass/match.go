package storageclass

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	scheduling "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/utils/ptr"
)

// IsFor says whether a volume's claimRef names the claim, by name and, where it
// has one, by UID.
func IsFor(v *corev1.PersistentVolume, c *corev1.PersistentVolumeClaim) bool {
	ref := v.Spec.ClaimRef
	return ref != nil && ref.Namespace == c.Namespace && ref.Name == c.Name && (ref.UID == "" || ref.UID == c.UID)
}

// Find is the smallest of the volumes that would do for the claim and are
// nobody's; one whose claimRef names the claim comes before all others. node
// narrows it to those that the node reaches; nil: any. Nil when none would do.
func Find(volumes []*corev1.PersistentVolume, c *corev1.PersistentVolumeClaim, node *corev1.Node) *corev1.PersistentVolume {
	selector := labels.Everything()
	if c.Spec.Selector != nil {
		var err error
		if selector, err = metav1.LabelSelectorAsSelector(c.Spec.Selector); err != nil {
			return nil
		}
	}
	var best *corev1.PersistentVolume
	for _, v := range volumes {
		if v.DeletionTimestamp != nil || !sameMode(v, c) || node != nil && !Reaches(v, node) {
			continue
		}
		if IsFor(v, c) {
			if fits(v, c) {
				return v
			}
			continue
		}
		if v.Spec.ClaimRef != nil || v.Status.Phase != corev1.VolumeAvailable || OfVolume(v) != OfClaim(c) ||
			!selector.Matches(labels.Set(v.Labels)) || !fits(v, c) {
			continue
		}
		if best == nil || smaller(v, best) {
			best = v
		}
	}
	return best
}

func smaller(a, b *corev1.PersistentVolume) bool {
	x, y := a.Spec.Capacity[corev1.ResourceStorage], b.Spec.Capacity[corev1.ResourceStorage]
	if order := x.Cmp(y); order != 0 {
		return order < 0
	}
	return a.Name < b.Name
}

// fits: the volume is large enough and has every access mode asked for.
func fits(v *corev1.PersistentVolume, c *corev1.PersistentVolumeClaim) bool {
	return Misfit(v, c) == ""
}

// Misfit says why a volume that a claim names cannot be bound to it, "" when it
// can.
func Misfit(v *corev1.PersistentVolume, c *corev1.PersistentVolumeClaim) string {
	wanted, has := c.Spec.Resources.Requests[corev1.ResourceStorage], v.Spec.Capacity[corev1.ResourceStorage]
	switch {
	case v.DeletionTimestamp != nil:
		return fmt.Sprintf("the volume is marked for deletion %q", v.Name)
	case has.Cmp(wanted) < 0:
		return "requested PV is too small"
	case OfVolume(v) != OfClaim(c):
		return "storageClassName does not match"
	case !sameMode(v, c):
		return "incompatible volumeMode"
	case slices.ContainsFunc(c.Spec.AccessModes, func(m corev1.PersistentVolumeAccessMode) bool { return !slices.Contains(v.Spec.AccessModes, m) }):
		return "incompatible accessMode"
	case ptr.Deref(v.Spec.VolumeAttributesClassName, "") != ptr.Deref(c.Spec.VolumeAttributesClassName, ""):
		return "volumeAttributesClassName does not match"
	}
	return ""
}

func sameMode(v *corev1.PersistentVolume, c *corev1.PersistentVolumeClaim) bool {
	return ptr.Deref(v.Spec.VolumeMode, corev1.PersistentVolumeFilesystem) == ptr.Deref(c.Spec.VolumeMode, corev1.PersistentVolumeFilesystem)
}

// Reaches says whether the node is one from which the volume can be used.
func Reaches(v *corev1.PersistentVolume, node *corev1.Node) bool {
	if v.Spec.NodeAffinity == nil || v.Spec.NodeAffinity.Required == nil {
		return true
	}
	matches, err := scheduling.MatchNodeSelectorTerms(node, v.Spec.NodeAffinity.Required)
	return err == nil && matches
}
