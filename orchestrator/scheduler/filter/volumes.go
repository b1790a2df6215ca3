package filter

import (
	"fmt"

	v1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

const (
	reasonVolumeNode = iota
	reasonVolumeMissing
	reasonVolumeBind
)

// ClaimsReady says, in words for the user, what keeps the pod's claims from
// being used on any node; nothing when they can be, if need be after they were
// bound for the node.
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
		case !IsBound(claim) && !waits(s, claim):
			return "pod has unbound immediate PersistentVolumeClaims"
		}
	}
	return ""
}

// IsBound says whether a claim's binding is complete.
func IsBound(claim *v1.PersistentVolumeClaim) bool {
	_, complete := claim.Annotations[storageclass.BindCompleted]
	return complete && claim.Spec.VolumeName != ""
}

// waits: the claim is bound only for the node of its first pod.
func waits(s *snapshot.Snapshot, claim *v1.PersistentVolumeClaim) bool {
	return claim.Spec.VolumeName == "" && storageclass.Waits(s.Class(storageclass.OfClaim(claim)))
}

// CheckVolumes says whether the volumes of the pod's claims can be reached
// from the node, and whether there are, or can be made, volumes for those that
// are not bound yet.
func CheckVolumes(s *snapshot.Snapshot, t *snapshot.Template, n *snapshot.Node) Verdict {
	unbound := 0
	for _, name := range t.Claims {
		claim := s.Claim(t.Namespace, name)
		if claim == nil { // ClaimsReady says so
			continue
		}
		if !IsBound(claim) {
			unbound++
			continue
		}
		volume := s.Volume(claim.Spec.VolumeName)
		if volume == nil {
			return Verdict{Rule: Volumes, Final: true, Reasons: reasonVolumeMissing}
		}
		if !storageclass.Reaches(volume, n.Object) {
			return Verdict{Rule: Volumes, Final: true, Reasons: reasonVolumeNode}
		}
	}
	if unbound > 0 {
		if _, ok := Bindings(s, t, n); !ok {
			return Verdict{Rule: Volumes, Final: true, Reasons: reasonVolumeBind}
		}
	}
	return Verdict{}
}

// Binding is what is to be done for a claim before a pod runs on a node: the
// volume is to be reserved for it or, where that is nil, made for the node.
type Binding struct {
	Claim  *v1.PersistentVolumeClaim
	Volume *v1.PersistentVolume
}

// Bindings are those of the pod's claims that wait for a node; false when one of
// them can have no volume there.
func Bindings(s *snapshot.Snapshot, t *snapshot.Template, n *snapshot.Node) (all []Binding, ok bool) {
	for _, name := range t.Claims {
		claim := s.Claim(t.Namespace, name)
		if claim == nil || IsBound(claim) || !waits(s, claim) {
			continue
		}
		volume := freeVolume(s, claim, n, all)
		if volume == nil && !canProvision(s, claim, n) {
			return nil, false
		}
		all = append(all, Binding{claim, volume})
	}
	return all, true
}

// freeVolume is one that the node reaches and that no claim before has.
func freeVolume(s *snapshot.Snapshot, claim *v1.PersistentVolumeClaim, n *snapshot.Node, taken []Binding) *v1.PersistentVolume {
	var candidates []*v1.PersistentVolume
	class := storageclass.OfClaim(claim)
	s.Volumes(func(v *v1.PersistentVolume) {
		if storageclass.OfVolume(v) != class {
			return
		}
		for i := range taken {
			if taken[i].Volume == v {
				return
			}
		}
		candidates = append(candidates, v)
	})
	return storageclass.Find(candidates, claim, n.Object)
}

// canProvision says whether the class's provisioner may make a volume for the
// node. Once a node was chosen there is no other.
func canProvision(s *snapshot.Snapshot, claim *v1.PersistentVolumeClaim, n *snapshot.Node) bool {
	class := s.Class(storageclass.OfClaim(claim))
	if class == nil || class.Provisioner == storageclass.NoProvisioner || !storageclass.Allows(class, n.Object) {
		return false
	}
	if class.Provisioner == storageclass.LocalPathProvisioner && n.Object.Annotations[storageclass.FolderAnnotation] == "" {
		return false
	}
	selected := claim.Annotations[storageclass.SelectedNode]
	return selected == "" || selected == n.Name
}
