package filter

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	corev1 "k8s.io/component-helpers/scheduling/corev1"

	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

const (
	reasonVolumeNode = iota
	reasonVolumeMissing
)

// ClaimsReady says, in words for the user, what keeps the pod's claims from
// being used on any node; nothing when they can be.
func ClaimsReady(s *snapshot.Snapshot, t *snapshot.Template) string {
	for _, name := range t.Claims {
		claim := s.Claim(t.Namespace, name)
		switch {
		case claim == nil:
			return fmt.Sprintf("persistentvolumeclaim %q not found", name)
		case claim.DeletionTimestamp != nil:
			return fmt.Sprintf("persistentvolumeclaim %q is being deleted", name)
		case claim.Status.Phase == v1.ClaimLost:
			return fmt.Sprintf("persistentvolumeclaim %q bound to non-existent persistentvolume %q", name, claim.Spec.VolumeName)
		case claim.Spec.VolumeName == "":
			return "pod has unbound immediate PersistentVolumeClaims"
		}
	}
	return ""
}

// CheckVolumes says whether the volumes of the pod's claims can be reached
// from the node.
func CheckVolumes(s *snapshot.Snapshot, t *snapshot.Template, n *snapshot.Node) Verdict {
	for _, name := range t.Claims {
		claim := s.Claim(t.Namespace, name)
		if claim == nil || claim.Spec.VolumeName == "" {
			continue // ClaimsReady says so
		}
		volume := s.Volume(claim.Spec.VolumeName)
		if volume == nil {
			return Verdict{Rule: Volumes, Final: true, Reasons: reasonVolumeMissing}
		}
		if a := volume.Spec.NodeAffinity; a != nil && a.Required != nil {
			if matches, err := corev1.MatchNodeSelectorTerms(n.Object, a.Required); err != nil || !matches {
				return Verdict{Rule: Volumes, Final: true, Reasons: reasonVolumeNode}
			}
		}
	}
	return Verdict{}
}
