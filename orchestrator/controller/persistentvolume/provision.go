package persistentvolume

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

// provision has a volume made for the claim. class is nil where there is none of
// the claim's name.
func (c *Controller) provision(ctx context.Context, claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) error {
	switch {
	case class == nil:
		c.provisioningFailed(claim, fmt.Sprintf("storageclass.storage.k8s.io %q not found", storageclass.OfClaim(claim)))
	case class.Provisioner == storageclass.LocalPathProvisioner:
		return c.provisionLocal(ctx, claim, class)
	case strings.HasPrefix(class.Provisioner, "kubernetes.io/"):
		c.provisioningFailed(claim, fmt.Sprintf("no volume plugin matched name: %s", class.Provisioner))
	default:
		return c.askProvisioner(ctx, claim, class.Provisioner)
	}
	return c.setClaimPhase(ctx, claim, corev1.ClaimPending, nil)
}

func (c *Controller) provisioningFailed(claim *corev1.PersistentVolumeClaim, message string) {
	c.events.Event(claim, corev1.EventTypeWarning, "ProvisioningFailed", message)
}

// askProvisioner leaves the claim to a program that makes volumes of its own.
func (c *Controller) askProvisioner(ctx context.Context, claim *corev1.PersistentVolumeClaim, name string) error {
	if claim.Annotations[storageclass.StorageProvisioner] != name {
		claim = claim.DeepCopy()
		metav1.SetMetaDataAnnotation(&claim.ObjectMeta, storageclass.StorageProvisioner, name)
		metav1.SetMetaDataAnnotation(&claim.ObjectMeta, storageclass.BetaStorageProvisioner, name)
		updated, err := c.updateClaim(ctx, claim)
		if err != nil {
			return err
		}
		claim = updated
		c.events.Event(claim, corev1.EventTypeNormal, "ExternalProvisioning", fmt.Sprintf("Waiting for a volume to be created either by the external provisioner '%s' "+
			"or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.", name))
	}
	return c.setClaimPhase(ctx, claim, corev1.ClaimPending, nil)
}

// provisionLocal makes a volume that is a folder of one node. The node makes the
// folder itself when a pod first mounts it.
func (c *Controller) provisionLocal(ctx context.Context, claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) error {
	if reason := unsupported(claim); reason != "" {
		c.provisioningFailed(claim, fmt.Sprintf("failed to provision volume with StorageClass %q: %s", class.Name, reason))
		return c.setClaimPhase(ctx, claim, corev1.ClaimPending, nil)
	}
	node, err := c.nodeFor(claim, class)
	if err != nil {
		c.provisioningFailed(claim, fmt.Sprintf("failed to provision volume with StorageClass %q: %v", class.Name, err))
		return c.letGoOfNode(ctx, claim)
	}
	volume := localVolume(claim, class, node)
	_, err = c.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	switch {
	case apierrors.IsAlreadyExists(err): // made before; its event leads on to the binding
		return nil
	case err != nil:
		return fmt.Errorf("make volume %s: %w", volume.Name, err)
	}
	c.events.Event(claim, corev1.EventTypeNormal, "ProvisioningSucceeded", fmt.Sprintf("Successfully provisioned volume %s", volume.Name))
	return nil
}

// unsupported says what of a claim a folder cannot be.
func unsupported(claim *corev1.PersistentVolumeClaim) string {
	single := func(m corev1.PersistentVolumeAccessMode) bool {
		return m == corev1.ReadWriteOnce || m == corev1.ReadWriteOncePod
	}
	switch {
	case claim.Spec.Selector != nil:
		return "claim Selector is not supported"
	case ptr.Deref(claim.Spec.VolumeMode, corev1.PersistentVolumeFilesystem) == corev1.PersistentVolumeBlock:
		return "block volumes are not supported"
	case claim.Spec.DataSource != nil || claim.Spec.DataSourceRef != nil:
		return "a data source is not supported"
	case !slices.ContainsFunc(claim.Spec.AccessModes, single) || slices.ContainsFunc(claim.Spec.AccessModes, func(m corev1.PersistentVolumeAccessMode) bool { return !single(m) }):
		return "only the access modes ReadWriteOnce and ReadWriteOncePod are supported"
	}
	return ""
}

// nodeFor is the node that the scheduler has chosen, or any of those allowed.
func (c *Controller) nodeFor(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) (*corev1.Node, error) {
	if name := claim.Annotations[storageclass.SelectedNode]; name != "" {
		node, err := c.nodes.Get(name)
		switch {
		case err != nil:
			return nil, fmt.Errorf("node %q: %w", name, err)
		case folderOf(node) == "":
			return nil, fmt.Errorf("node %q takes no local volumes", name)
		}
		return node, nil
	}
	nodes, err := c.nodes.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	slices.SortFunc(nodes, func(a, b *corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	nodes = slices.DeleteFunc(nodes, func(n *corev1.Node) bool { return !usable(n) || !storageclass.Allows(class, n) })
	if len(nodes) == 0 {
		return nil, fmt.Errorf("no node is ready for local volumes")
	}
	return c.emptiest(nodes), nil
}

// emptiest is the node with the fewest volumes of ours.
func (c *Controller) emptiest(nodes []*corev1.Node) *corev1.Node {
	count := map[string]int{}
	for _, v := range c.allVolumes() {
		count[v.Labels[storageclass.NodeLabel]]++
	}
	return slices.MinFunc(nodes, func(a, b *corev1.Node) int { return count[a.Name] - count[b.Name] })
}

// letGoOfNode makes the scheduler choose again.
func (c *Controller) letGoOfNode(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	if claim.Annotations[storageclass.SelectedNode] != "" {
		claim = claim.DeepCopy()
		delete(claim.Annotations, storageclass.SelectedNode)
		updated, err := c.updateClaim(ctx, claim)
		if err != nil {
			return err
		}
		claim = updated
	}
	return c.setClaimPhase(ctx, claim, corev1.ClaimPending, nil)
}

func folderOf(node *corev1.Node) string {
	folder := node.Annotations[storageclass.FolderAnnotation]
	if !path.IsAbs(folder) || path.Clean(folder) != folder || len(validation.IsValidLabelValue(node.Name)) > 0 {
		return ""
	}
	return folder
}

// usable: the node takes pods, and has a folder for volumes.
func usable(node *corev1.Node) bool {
	ready := slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
	return ready && !node.Spec.Unschedulable && node.DeletionTimestamp == nil && folderOf(node) != ""
}

func localVolume(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass, node *corev1.Node) *corev1.PersistentVolume {
	name := "pvc-" + string(claim.UID)
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: map[string]string{storageclass.NodeLabel: node.Name},
			Annotations: map[string]string{storageclass.ProvisionedBy: storageclass.LocalPathProvisioner},
			Finalizers:  []string{volumeProtection, storageclass.FolderFinalizer},
		},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]},
			AccessModes:                   claim.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: ptr.Deref(class.ReclaimPolicy, corev1.PersistentVolumeReclaimDelete),
			StorageClassName:              class.Name,
			VolumeMode:                    ptr.To(corev1.PersistentVolumeFilesystem),
			ClaimRef:                      referenceTo(claim),
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path.Join(folderOf(node), name)}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node.Labels[corev1.LabelHostname]},
				}},
			}}}},
		},
	}
}
