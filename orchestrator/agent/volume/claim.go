package volume

import (
	"context"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/localvolume"
	"github.com/lubberline/lubberline/orchestrator/agent/worker"
)

// setUpClaim finds the volume that the claim is bound to. own: the claim must have
// been made for this pod.
func (m *Manager) setUpClaim(ctx context.Context, pod *corev1.Pod, name string, readOnly, own bool) (worker.Mounted, error) {
	wrap := func(err error) (worker.Mounted, error) {
		return worker.Mounted{}, fmt.Errorf("error processing PVC %s/%s: %w", pod.Namespace, name, err)
	}
	claim, err := m.o.Client.CoreV1().PersistentVolumeClaims(pod.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return wrap(fmt.Errorf("failed to fetch PVC from API server: %w", err))
	}
	if own && !metav1.IsControlledBy(claim, pod) {
		return wrap(fmt.Errorf("PVC %s/%s was not created for pod %s/%s (pod is not owner)", pod.Namespace, name, pod.Namespace, pod.Name))
	}
	if err := checkClaim(claim); err != nil {
		return wrap(err)
	}
	pv, err := m.o.Client.CoreV1().PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		return wrap(fmt.Errorf("failed to fetch PV %s from API server: %w", claim.Spec.VolumeName, err))
	}
	if ref := pv.Spec.ClaimRef; ref == nil || ref.UID != claim.UID {
		return wrap(fmt.Errorf("found PV object %s with unexpected pvcUID (%s) in ClaimRef; expected %s", pv.Name, refUID(ref), claim.UID))
	}
	if readOnly || onlyReadable(pv) {
		readOnly = true
	}
	return m.persistentVolume(pv, pod, readOnly)
}

func checkClaim(claim *corev1.PersistentVolumeClaim) error {
	switch {
	case claim.DeletionTimestamp != nil:
		return fmt.Errorf("PVC is being deleted")
	case claim.Status.Phase != corev1.ClaimBound || claim.Spec.VolumeName == "":
		return fmt.Errorf("PVC %s/%s has non-bound phase (%q) or empty pvc.Spec.VolumeName (%q)", claim.Namespace, claim.Name, claim.Status.Phase, claim.Spec.VolumeName)
	case claim.Spec.VolumeMode != nil && *claim.Spec.VolumeMode == corev1.PersistentVolumeBlock:
		return fmt.Errorf("volumes of mode Block are not supported by this node")
	}
	return nil
}

func refUID(ref *corev1.ObjectReference) string {
	if ref == nil {
		return ""
	}
	return string(ref.UID)
}

func onlyReadable(pv *corev1.PersistentVolume) bool {
	for _, mode := range pv.Spec.AccessModes {
		if mode != corev1.ReadOnlyMany {
			return false
		}
	}
	return len(pv.Spec.AccessModes) > 0
}

func (m *Manager) persistentVolume(pv *corev1.PersistentVolume, pod *corev1.Pod, readOnly bool) (worker.Mounted, error) {
	switch {
	case pv.Spec.HostPath != nil:
		return worker.Mounted{HostPath: pv.Spec.HostPath.Path, ReadOnly: readOnly}, checkHostPath(pv.Spec.HostPath)
	case pv.Spec.Local != nil:
		path := pv.Spec.Local.Path
		if localvolume.IsOurs(pv) {
			if _, err := localvolume.Make(m.o.Local, pv); err != nil {
				return worker.Mounted{}, err
			}
		}
		if _, err := os.Stat(path); err != nil {
			return worker.Mounted{}, fmt.Errorf("path %q does not exist", path)
		}
		if !readOnly {
			if err := own(path, fsGroup(pod), false); err != nil {
				return worker.Mounted{}, err
			}
		}
		return worker.Mounted{HostPath: path, ReadOnly: readOnly}, nil
	}
	return worker.Mounted{}, fmt.Errorf("this node has no volume plugin for persistent volume %q: it must be of type hostPath or local", pv.Name)
}
