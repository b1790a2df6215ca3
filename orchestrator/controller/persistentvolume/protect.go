package persistentvolume

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

// The finalizers that keep a volume while a claim is bound to it, and a claim
// while a pod uses it.
const (
	volumeProtection = "kubernetes.io/pv-protection"
	claimProtection  = "kubernetes.io/pvc-protection"
)

// protectClaim adds the finalizer, or removes it from a claim that is being
// deleted and that no pod has. A pod that was not scheduled yet does not count:
// its node would refuse the claim.
func (c *Controller) protectClaim(ctx context.Context, claim *corev1.PersistentVolumeClaim) (changed bool, err error) {
	has := slices.Contains(claim.Finalizers, claimProtection)
	switch deleting := claim.DeletionTimestamp != nil; {
	case has != deleting:
		return false, nil
	case !has:
		claim = claim.DeepCopy()
		claim.Finalizers = append(claim.Finalizers, claimProtection)
	default:
		used, err := c.isUsed(ctx, claim)
		if used || err != nil {
			return false, err
		}
		claim = claim.DeepCopy()
		claim.Finalizers = without(claim.Finalizers, claimProtection)
	}
	_, err = c.updateClaim(ctx, claim)
	return true, ignoreNotFound(err)
}

// isUsed asks the API too, for a cache may not have a pod yet.
func (c *Controller) isUsed(ctx context.Context, claim *corev1.PersistentVolumeClaim) (bool, error) {
	pods, err := c.pods.Pods(claim.Namespace).List(labels.Everything())
	if err != nil || slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return uses(p, claim.Name) }) {
		return true, err
	}
	live, err := c.client.CoreV1().Pods(claim.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return true, err
	}
	return slices.ContainsFunc(live.Items, func(p corev1.Pod) bool { return uses(&p, claim.Name) }), nil
}

func uses(pod *corev1.Pod, claim string) bool {
	return pod.Spec.NodeName != "" && slices.Contains(claimsOf(pod), claim)
}

// claimsOf are the names of the claims that a pod mounts, those made for it
// included.
func claimsOf(pod *corev1.Pod) (names []string) {
	for i := range pod.Spec.Volumes {
		switch v := &pod.Spec.Volumes[i]; {
		case v.PersistentVolumeClaim != nil:
			names = append(names, v.PersistentVolumeClaim.ClaimName)
		case v.Ephemeral != nil:
			names = append(names, pod.Name+"-"+v.Name)
		}
	}
	return names
}

// protectVolume does the same for a volume, which its claim keeps. The folder of
// a volume whose node is gone for good is nobody's to remove.
func (c *Controller) protectVolume(ctx context.Context, volume *corev1.PersistentVolume) (changed bool, err error) {
	finalizers := volume.Finalizers
	switch has := slices.Contains(finalizers, volumeProtection); {
	case volume.DeletionTimestamp == nil && !has:
		finalizers = append(slices.Clone(finalizers), volumeProtection)
	case volume.DeletionTimestamp != nil && has:
		if volume.Status.Phase == corev1.VolumeBound {
			return false, nil
		}
		finalizers = without(finalizers, volumeProtection)
	case volume.DeletionTimestamp != nil && slices.Contains(finalizers, storageclass.FolderFinalizer):
		gone, err := c.nodeGone(ctx, volume.Labels[storageclass.NodeLabel])
		if !gone || err != nil {
			return false, err
		}
		finalizers = without(finalizers, storageclass.FolderFinalizer)
	default:
		return false, nil
	}
	volume = volume.DeepCopy()
	volume.Finalizers = finalizers
	_, err = c.client.CoreV1().PersistentVolumes().Update(ctx, volume, metav1.UpdateOptions{})
	return true, ignoreNotFound(err)
}

func (c *Controller) nodeGone(ctx context.Context, name string) (bool, error) {
	if _, err := c.nodes.Get(name); !apierrors.IsNotFound(err) {
		return false, err
	}
	_, err := c.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	return false, err
}

func without(list []string, s string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(t string) bool { return t == s })
}
