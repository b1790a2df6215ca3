package persistentvolume

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

// reconcileVolume gives a volume its phase, and takes back one whose claim is
// gone.
func (c *Controller) reconcileVolume(ctx context.Context, name string) error {
	volume, err := c.volumes.Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return ignoreNotFound(c.settle(ctx, volume))
}

func (c *Controller) settle(ctx context.Context, volume *corev1.PersistentVolume) error {
	if changed, err := c.protectVolume(ctx, volume); changed || err != nil {
		return err
	}
	ref := volume.Spec.ClaimRef
	if ref == nil || ref.UID == "" {
		return c.setVolumePhase(ctx, volume, corev1.VolumeAvailable, "")
	}
	claim, err := c.claimOf(ctx, volume)
	switch {
	case err != nil:
		return err
	case claim == nil:
		return c.release(ctx, volume)
	case claim.Spec.VolumeName == "":
		return c.awaitClaim(volume, claim)
	case claim.Spec.VolumeName == volume.Name:
		return c.setVolumePhase(ctx, volume, corev1.VolumeBound, "")
	}
	return c.unbind(ctx, volume)
}

// claimOf is the claim that a volume points at, nil when it is gone: then the
// API was asked, for data hang on it.
func (c *Controller) claimOf(ctx context.Context, volume *corev1.PersistentVolume) (*corev1.PersistentVolumeClaim, error) {
	ref := volume.Spec.ClaimRef
	claim, err := c.claims.PersistentVolumeClaims(ref.Namespace).Get(ref.Name)
	if err == nil && claim.UID == ref.UID {
		return claim, nil
	}
	claim, err = c.client.CoreV1().PersistentVolumeClaims(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	case claim.UID != ref.UID:
		return nil, nil
	}
	return claim, nil
}

// awaitClaim: the claim's loop completes the binding.
func (c *Controller) awaitClaim(volume *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) error {
	if storageclass.Misfit(volume, claim) == "incompatible volumeMode" {
		c.events.Event(volume, corev1.EventTypeWarning, "VolumeMismatch",
			fmt.Sprintf("Cannot bind PersistentVolume to requested PersistentVolumeClaim %q due to incompatible volumeMode.", claim.Name))
		c.events.Event(claim, corev1.EventTypeWarning, "VolumeMismatch",
			fmt.Sprintf("Cannot bind PersistentVolume %q to requested PersistentVolumeClaim due to incompatible volumeMode.", volume.Name))
		return nil
	}
	c.claimLoop.Add(claim.Namespace + "/" + claim.Name)
	return nil
}

// unbind takes the volume back from a claim that was bound to another.
func (c *Controller) unbind(ctx context.Context, volume *corev1.PersistentVolume) error {
	_, provisioned := volume.Annotations[storageclass.ProvisionedBy]
	_, byController := volume.Annotations[storageclass.BoundByController]
	if provisioned && !byController && volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete {
		return c.release(ctx, volume)
	}
	next := volume.DeepCopy()
	if byController {
		next.Spec.ClaimRef = nil
		delete(next.Annotations, storageclass.BoundByController)
	} else { // a user has reserved it for the claim: it stays so
		next.Spec.ClaimRef.UID = ""
	}
	next, err := c.client.CoreV1().PersistentVolumes().Update(ctx, next, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	return c.setVolumePhase(ctx, next, corev1.VolumeAvailable, "")
}

// release does what the reclaim policy says.
func (c *Controller) release(ctx context.Context, volume *corev1.PersistentVolume) error {
	if volume.Status.Phase != corev1.VolumeReleased && volume.Status.Phase != corev1.VolumeFailed {
		// The change of phase comes back here.
		return c.setVolumePhase(ctx, volume, corev1.VolumeReleased, "")
	}
	switch volume.Spec.PersistentVolumeReclaimPolicy {
	case corev1.PersistentVolumeReclaimRetain:
		return nil
	case corev1.PersistentVolumeReclaimDelete:
		return c.deleteVolume(ctx, volume)
	case corev1.PersistentVolumeReclaimRecycle:
		return c.failVolume(ctx, volume, "VolumeFailedRecycle", "No recycler plugin found for the volume!")
	}
	return c.failVolume(ctx, volume, "VolumeUnknownReclaimPolicy", "Volume has unrecognized PersistentVolumeReclaimPolicy")
}

// deleteVolume deletes a volume that we have made; its node removes the folder
// before it goes. That of an external provisioner is for it to delete.
func (c *Controller) deleteVolume(ctx context.Context, volume *corev1.PersistentVolume) error {
	by, provisioned := volume.Annotations[storageclass.ProvisionedBy]
	switch {
	case !provisioned:
		return c.failVolume(ctx, volume, "VolumeFailedDelete",
			fmt.Sprintf("error getting deleter volume plugin for volume %q: no deletable volume plugin matched", volume.Name))
	case by != storageclass.LocalPathProvisioner || volume.DeletionTimestamp != nil:
		return nil
	}
	return c.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(volume.UID))})
}

func (c *Controller) failVolume(ctx context.Context, volume *corev1.PersistentVolume, reason, message string) error {
	if volume.Status.Phase != corev1.VolumeFailed {
		c.events.Event(volume, corev1.EventTypeWarning, reason, message)
	}
	return c.setVolumePhase(ctx, volume, corev1.VolumeFailed, message)
}

func (c *Controller) setVolumePhase(ctx context.Context, volume *corev1.PersistentVolume, phase corev1.PersistentVolumePhase, message string) error {
	if volume.Status.Phase == phase && volume.Status.Message == message {
		return nil
	}
	volume = volume.DeepCopy()
	volume.Status.Phase, volume.Status.Message = phase, message
	_, err := c.client.CoreV1().PersistentVolumes().UpdateStatus(ctx, volume, metav1.UpdateOptions{})
	return err
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
