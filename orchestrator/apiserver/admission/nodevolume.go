package admission

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apiserver/pkg/admission"

	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

// checkVolume: a node may only say that it has removed the folder of a volume of
// its own that is being deleted.
func checkVolume(node string, a admission.Attributes) error {
	v, isVolume := a.GetObject().(*corev1.PersistentVolume)
	old, wasVolume := a.GetOldObject().(*corev1.PersistentVolume)
	if a.GetOperation() != admission.Update || a.GetSubresource() != "" || !isVolume || !wasVolume ||
		old.Labels[storageclass.NodeLabel] != node || old.DeletionTimestamp == nil {
		return forbid(a, "node %q may only update its own volumes that are being deleted", node)
	}
	rest := slices.DeleteFunc(slices.Clone(old.Finalizers), func(f string) bool { return f == storageclass.FolderFinalizer })
	before, after := old.DeepCopy(), v.DeepCopy()
	for _, o := range []*corev1.PersistentVolume{before, after} {
		o.Finalizers, o.ManagedFields, o.ResourceVersion, o.Status = nil, nil, "", corev1.PersistentVolumeStatus{}
	}
	if !slices.Equal(v.Finalizers, rest) || !equality.Semantic.DeepEqual(before, after) {
		return forbid(a, "node %q may only remove the finalizer %s from a volume", node, storageclass.FolderFinalizer)
	}
	return nil
}
