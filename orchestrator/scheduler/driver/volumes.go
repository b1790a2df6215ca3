package driver

import (
	"context"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/scheduler/filter"
	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

// How long a pod waits for its volumes before it is placed anew, and how often
// the informer is looked at meanwhile.
const (
	volumesWithin = 10 * time.Minute
	volumesEvery  = 50 * time.Millisecond
)

func (d *Driver) classSet(now time.Time, c *storagev1.StorageClass) {
	d.snap.SetClass(c)
	d.core.VolumesChanged(now)
}

func (d *Driver) classGone(_ time.Time, c *storagev1.StorageClass) { d.snap.RemoveClass(c.Name) }

// bindWithVolumes has volumes bound for the node, and then the pod. It waits
// beside the writers.
func (d *Driver) bindWithVolumes(pod *v1.Pod, node string, bindings []filter.Binding) {
	d.writers.do(pod.UID, func(ctx context.Context) {
		d.waiting.Go(func() {
			err := d.bindVolumes(ctx, pod, node, bindings)
			if err == nil {
				d.writers.do(pod.UID, func(ctx context.Context) { d.bind(ctx, pod, node) })
				return
			}
			d.bindFailed(ctx, pod, node, err)
		})
	})
}

func (d *Driver) bindVolumes(ctx context.Context, pod *v1.Pod, node string, bindings []filter.Binding) error {
	for _, b := range bindings {
		var err error
		if b.Volume != nil {
			err = d.reserve(ctx, b)
		} else {
			err = d.selectNode(ctx, b.Claim, node)
		}
		if err != nil {
			return fmt.Errorf("binding volumes: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, volumesWithin)
	defer cancel()
	for _, b := range bindings {
		if err := d.awaitVolume(ctx, pod, node, b); err != nil {
			return fmt.Errorf("binding volumes: %w", err)
		}
	}
	return nil
}

// reserve points the volume at the claim, the binder does the rest. It conflicts
// with every other use of the volume.
func (d *Driver) reserve(ctx context.Context, b filter.Binding) error {
	if ref := b.Volume.Spec.ClaimRef; ref != nil && ref.UID == b.Claim.UID {
		return nil
	}
	volume := b.Volume.DeepCopy()
	if volume.Spec.ClaimRef == nil {
		metav1.SetMetaDataAnnotation(&volume.ObjectMeta, storageclass.BoundByController, "yes")
	}
	volume.Spec.ClaimRef = &v1.ObjectReference{
		Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: b.Claim.Namespace, Name: b.Claim.Name,
		UID: b.Claim.UID, ResourceVersion: b.Claim.ResourceVersion,
	}
	_, err := d.client.CoreV1().PersistentVolumes().Update(ctx, volume, metav1.UpdateOptions{})
	return err
}

// selectNode asks the provisioner for a volume on the node.
func (d *Driver) selectNode(ctx context.Context, claim *v1.PersistentVolumeClaim, node string) error {
	if claim.Annotations[storageclass.SelectedNode] == node {
		return nil
	}
	claim = claim.DeepCopy()
	metav1.SetMetaDataAnnotation(&claim.ObjectMeta, storageclass.SelectedNode, node)
	_, err := d.client.CoreV1().PersistentVolumeClaims(claim.Namespace).Update(ctx, claim, metav1.UpdateOptions{})
	return err
}

// awaitVolume waits until the claim is bound. It ends earlier when the pod is
// not to run any more, or the provisioner gives the node up.
func (d *Driver) awaitVolume(ctx context.Context, pod *v1.Pod, node string, b filter.Binding) error {
	ticks := time.NewTicker(volumesEvery)
	defer ticks.Stop()
	selected := false // was seen
	for {
		claim, err := d.claims.PersistentVolumeClaims(b.Claim.Namespace).Get(b.Claim.Name)
		if err != nil {
			return err
		}
		if claim.UID == b.Claim.UID && filter.IsBound(claim) {
			return nil
		}
		at := claim.Annotations[storageclass.SelectedNode]
		selected = selected || at == node
		switch current, err := d.pods.Pods(pod.Namespace).Get(pod.Name); {
		case err != nil:
			return err
		case current.UID != pod.UID || current.DeletionTimestamp != nil:
			return fmt.Errorf("pod %q is being deleted", pod.Name)
		case claim.UID != b.Claim.UID || claim.DeletionTimestamp != nil:
			return fmt.Errorf("persistentvolumeclaim %q is being deleted", claim.Name)
		case b.Volume == nil && selected && at != node:
			return fmt.Errorf("selectedNode annotation reset for PVC %q", claim.Name)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("persistentvolumeclaim %q is not bound: %w", claim.Name, ctx.Err())
		case <-ticks.C:
		}
	}
}
