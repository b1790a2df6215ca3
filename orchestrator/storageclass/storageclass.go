// Package storageclass says which class a claim or a volume is of, and which
// one the cluster gives to claims that name none.
package storageclass

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

const (
	// LocalPath is the class that every cluster has: folders on the nodes.
	LocalPath = "local-path"
	// LocalPathProvisioner makes the volumes of that class.
	LocalPathProvisioner = "lubberline.local/local-path"
	// NoProvisioner is what classes name whose volumes are made by hand.
	NoProvisioner = "kubernetes.io/no-provisioner"

	defaultAnnotation     = "storageclass.kubernetes.io/is-default-class"
	betaDefaultAnnotation = "storageclass.beta.kubernetes.io/is-default-class"
)

// The annotations of claims and volumes by which scheduler, binder and
// provisioner tell each other what they have done.
const (
	// SelectedNode is set on a claim by the scheduler: its volume is to be made
	// for this node.
	SelectedNode = "volume.kubernetes.io/selected-node"
	// StorageProvisioner is set on a claim by the binder: that provisioner's turn.
	StorageProvisioner     = "volume.kubernetes.io/storage-provisioner"
	BetaStorageProvisioner = "volume.beta.kubernetes.io/storage-provisioner"
	// BindCompleted is set on a claim whose binding is complete.
	BindCompleted = "pv.kubernetes.io/bind-completed"
	// BoundByController is set on what the binder, not a user, has bound.
	BoundByController = "pv.kubernetes.io/bound-by-controller"
	// ProvisionedBy is set on a volume by who made it.
	ProvisionedBy = "pv.kubernetes.io/provisioned-by"
)

// Local volumes of ours: where on which node.
const (
	// NodeLabel, on a volume, is the node whose folder it is.
	NodeLabel = "lubberline.local/volume-node"
	// FolderAnnotation, on a node, is the folder below which its volumes lie.
	FolderAnnotation = "lubberline.local/volumes"
	// FolderFinalizer, on a volume, is removed by its node when the folder is.
	FolderFinalizer = "lubberline.local/volume-folder"
)

// Default is the class that a cluster has from its start.
func Default() *storagev1.StorageClass {
	return &storagev1.StorageClass{
		ObjectMeta:        metav1.ObjectMeta{Name: LocalPath, Annotations: map[string]string{defaultAnnotation: "true"}},
		Provisioner:       LocalPathProvisioner,
		ReclaimPolicy:     ptr.To(corev1.PersistentVolumeReclaimDelete),
		VolumeBindingMode: ptr.To(storagev1.VolumeBindingWaitForFirstConsumer),
	}
}

// IsDefault says whether claims without a class get this one.
func IsDefault(c *storagev1.StorageClass) bool {
	return c.Annotations[defaultAnnotation] == "true" || c.Annotations[betaDefaultAnnotation] == "true"
}

// NewestDefault is the default class that was made last, or nil.
func NewestDefault(classes []*storagev1.StorageClass) *storagev1.StorageClass {
	classes = slices.DeleteFunc(slices.Clone(classes), func(c *storagev1.StorageClass) bool { return !IsDefault(c) })
	if len(classes) == 0 {
		return nil
	}
	return slices.MinFunc(classes, func(a, b *storagev1.StorageClass) int {
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
}

// OfClaim is the name of a claim's class, "" for none.
func OfClaim(c *corev1.PersistentVolumeClaim) string {
	if class, ok := c.Annotations[corev1.BetaStorageClassAnnotation]; ok {
		return class
	}
	return ptr.Deref(c.Spec.StorageClassName, "")
}

// Names says whether a claim says which class it wants, be it none.
func Names(c *corev1.PersistentVolumeClaim) bool {
	_, ok := c.Annotations[corev1.BetaStorageClassAnnotation]
	return ok || c.Spec.StorageClassName != nil
}

// OfVolume is the name of a volume's class, "" for none.
func OfVolume(v *corev1.PersistentVolume) string {
	if class, ok := v.Annotations[corev1.BetaStorageClassAnnotation]; ok {
		return class
	}
	return v.Spec.StorageClassName
}

// Waits says whether claims of the class are bound only when a pod needs them.
func Waits(c *storagev1.StorageClass) bool {
	return c != nil && c.VolumeBindingMode != nil && *c.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
}

// Allows says whether the class's volumes may be made on a node.
func Allows(c *storagev1.StorageClass, node *corev1.Node) bool {
	if len(c.AllowedTopologies) == 0 {
		return true
	}
	return slices.ContainsFunc(c.AllowedTopologies, func(term corev1.TopologySelectorTerm) bool {
		for _, e := range term.MatchLabelExpressions {
			if value, has := node.Labels[e.Key]; !has || !slices.Contains(e.Values, value) {
				return false
			}
		}
		return len(term.MatchLabelExpressions) > 0
	})
}
