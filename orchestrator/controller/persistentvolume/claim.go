package persistentvolume

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

// annotated is the value of the annotations that only have to be there.
const annotated = "yes"

// reconcileClaim binds one claim, or lets it go.
func (c *Controller) reconcileClaim(ctx context.Context, key string) error {
	namespace, name := reconcile.SplitKey(key)
	claim, err := c.claims.PersistentVolumeClaims(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if changed, err := c.protectClaim(ctx, claim); changed || err != nil {
		return err
	}
	_, complete := claim.Annotations[storageclass.BindCompleted]
	switch {
	case complete:
		return c.keepBound(ctx, claim)
	case claim.Spec.VolumeName != "":
		return c.bindNamed(ctx, claim)
	case claim.DeletionTimestamp != nil:
		return nil
	}
	return c.bindAny(ctx, claim)
}

// bindAny finds a volume for a claim that names none, or has one made.
func (c *Controller) bindAny(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	class, err := c.classes.Get(storageclass.OfClaim(claim))
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	if err != nil {
		class = nil
	}
	waits := storageclass.Waits(class)
	if volume := c.find(claim, waits); volume != nil {
		return c.bind(ctx, claim, volume)
	}
	if changed, err := c.giveDefaultClass(ctx, claim); changed || err != nil {
		return err
	}
	switch {
	case waits && claim.Annotations[storageclass.SelectedNode] == "":
		c.events.Event(claim, corev1.EventTypeNormal, "WaitForFirstConsumer", "waiting for first consumer to be created before binding")
	case storageclass.OfClaim(claim) != "":
		return c.provision(ctx, claim, class)
	default:
		c.events.Event(claim, corev1.EventTypeNormal, "FailedBinding", "no persistent volumes available for this claim and no storage class is set")
	}
	return c.setClaimPhase(ctx, claim, corev1.ClaimPending, nil)
}

// find looks for a volume. Of a class that waits only those will do that the
// scheduler, or a user, has reserved for the claim.
func (c *Controller) find(claim *corev1.PersistentVolumeClaim, waits bool) *corev1.PersistentVolume {
	volumes := c.allVolumes()
	if waits {
		var reserved []*corev1.PersistentVolume
		for _, v := range volumes {
			if storageclass.IsFor(v, claim) {
				reserved = append(reserved, v)
			}
		}
		volumes = reserved
	}
	return storageclass.Find(volumes, claim, nil)
}

// giveDefaultClass makes up for a default class that came after the claim.
func (c *Controller) giveDefaultClass(ctx context.Context, claim *corev1.PersistentVolumeClaim) (changed bool, err error) {
	if storageclass.Names(claim) {
		return false, nil
	}
	classes, err := c.classes.List(labels.Everything())
	if err != nil {
		return false, err
	}
	class := storageclass.NewestDefault(classes)
	if class == nil {
		return false, nil
	}
	claim = claim.DeepCopy()
	claim.Spec.StorageClassName = &class.Name
	_, err = c.updateClaim(ctx, claim)
	return true, err
}

// bindNamed binds a claim to the volume that it names.
func (c *Controller) bindNamed(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	volume, err := c.volumes.Get(claim.Spec.VolumeName)
	if apierrors.IsNotFound(err) {
		return c.setClaimPhase(ctx, claim, corev1.ClaimPending, nil)
	}
	switch {
	case err != nil:
		return err
	case volume.Spec.ClaimRef == nil:
		if reason := storageclass.Misfit(volume, claim); reason != "" {
			c.events.Event(claim, corev1.EventTypeWarning, "VolumeMismatch", fmt.Sprintf("Cannot bind to requested volume %q: %s", volume.Name, reason))
			return c.setClaimPhase(ctx, claim, corev1.ClaimPending, nil)
		}
		return c.bind(ctx, claim, volume)
	case storageclass.IsFor(volume, claim):
		return c.bind(ctx, claim, volume)
	}
	c.events.Event(claim, corev1.EventTypeWarning, "FailedBinding", fmt.Sprintf("volume %q already bound to a different claim.", volume.Name))
	return c.setClaimPhase(ctx, claim, corev1.ClaimPending, nil)
}

// keepBound looks after a claim whose binding was completed once. Where its
// volume went the claim is lost for good.
func (c *Controller) keepBound(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	lost := func(reason, message string) error {
		if claim.Status.Phase != corev1.ClaimLost {
			c.events.Event(claim, corev1.EventTypeWarning, reason, message)
		}
		return c.setClaimPhase(ctx, claim, corev1.ClaimLost, nil)
	}
	if claim.Spec.VolumeName == "" {
		return lost("ClaimLost", "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!")
	}
	volume, err := c.volumes.Get(claim.Spec.VolumeName)
	if apierrors.IsNotFound(err) { // by a cache that may be behind
		volume, err = c.client.CoreV1().PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
	}
	switch {
	case apierrors.IsNotFound(err):
		return lost("ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!")
	case err != nil:
		return err
	case volume.Spec.ClaimRef != nil && volume.Spec.ClaimRef.UID != claim.UID:
		return lost("ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly")
	}
	return c.bind(ctx, claim, volume)
}

// bind writes what of the binding is not there yet: the volume's pointer and
// phase, then the claim's.
func (c *Controller) bind(ctx context.Context, claim *corev1.PersistentVolumeClaim, volume *corev1.PersistentVolume) error {
	volume, err := c.pointAtClaim(ctx, volume, claim)
	if err != nil {
		return err
	}
	if err := c.setVolumePhase(ctx, volume, corev1.VolumeBound, ""); err != nil {
		return err
	}
	if claim, err = c.pointAtVolume(ctx, claim, volume); err != nil {
		return err
	}
	return c.setClaimPhase(ctx, claim, corev1.ClaimBound, volume)
}

func (c *Controller) pointAtClaim(ctx context.Context, volume *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) (*corev1.PersistentVolume, error) {
	ref := volume.Spec.ClaimRef
	if ref != nil && ref.UID == claim.UID {
		return volume, nil
	}
	volume = volume.DeepCopy()
	if ref == nil {
		metav1.SetMetaDataAnnotation(&volume.ObjectMeta, storageclass.BoundByController, annotated)
	}
	volume.Spec.ClaimRef = referenceTo(claim)
	return c.client.CoreV1().PersistentVolumes().Update(ctx, volume, metav1.UpdateOptions{})
}

func referenceTo(claim *corev1.PersistentVolumeClaim) *corev1.ObjectReference {
	return &corev1.ObjectReference{
		Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: claim.Namespace, Name: claim.Name,
		UID: claim.UID, ResourceVersion: claim.ResourceVersion,
	}
}

func (c *Controller) pointAtVolume(ctx context.Context, claim *corev1.PersistentVolumeClaim, volume *corev1.PersistentVolume) (*corev1.PersistentVolumeClaim, error) {
	if _, complete := claim.Annotations[storageclass.BindCompleted]; complete && claim.Spec.VolumeName == volume.Name {
		return claim, nil
	}
	claim = claim.DeepCopy()
	if claim.Spec.VolumeName == "" {
		claim.Spec.VolumeName = volume.Name
		metav1.SetMetaDataAnnotation(&claim.ObjectMeta, storageclass.BoundByController, annotated)
	}
	metav1.SetMetaDataAnnotation(&claim.ObjectMeta, storageclass.BindCompleted, annotated)
	return c.updateClaim(ctx, claim)
}

func (c *Controller) updateClaim(ctx context.Context, claim *corev1.PersistentVolumeClaim) (*corev1.PersistentVolumeClaim, error) {
	return c.client.CoreV1().PersistentVolumeClaims(claim.Namespace).Update(ctx, claim, metav1.UpdateOptions{})
}

// setClaimPhase writes the phase with what the volume has, which is nil for a
// claim that is not bound.
func (c *Controller) setClaimPhase(ctx context.Context, claim *corev1.PersistentVolumeClaim, phase corev1.PersistentVolumeClaimPhase, volume *corev1.PersistentVolume) error {
	next := claim.DeepCopy()
	next.Status.Phase = phase
	switch {
	case volume == nil:
		next.Status.AccessModes, next.Status.Capacity = nil, nil
	case claim.Status.Phase != phase || claim.Status.Capacity == nil:
		next.Status.AccessModes = volume.Spec.AccessModes
		next.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: volume.Spec.Capacity[corev1.ResourceStorage]}
	}
	if equality.Semantic.DeepEqual(claim.Status, next.Status) {
		return nil
	}
	_, err := c.client.CoreV1().PersistentVolumeClaims(claim.Namespace).UpdateStatus(ctx, next, metav1.UpdateOptions{})
	return err
}
