package tables

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/storageclass"
)

func (t *Tables) addVolumes(now func() time.Time) {
	spec, status := corev1.PersistentVolumeSpec{}.SwaggerDoc(), corev1.PersistentVolumeStatus{}.SwaggerDoc()
	add(t, now, "", "persistentvolumes", []metav1.TableColumnDefinition{
		nameColumn(),
		text("Capacity", spec["capacity"]),
		text("Access Modes", spec["accessModes"]),
		text("Reclaim Policy", spec["persistentVolumeReclaimPolicy"]),
		text("Status", status["phase"]),
		text("Claim", spec["claimRef"]),
		text("StorageClass", "StorageClass of the pv"),
		text("VolumeAttributesClass", "VolumeAttributesClass of the pv"),
		text("Reason", status["reason"]),
		ageColumn(),
		wide("VolumeMode", spec["volumeMode"]),
	}, volumeRow)
	claim, claimStatus := corev1.PersistentVolumeClaimSpec{}.SwaggerDoc(), corev1.PersistentVolumeClaimStatus{}.SwaggerDoc()
	add(t, now, "", "persistentvolumeclaims", []metav1.TableColumnDefinition{
		nameColumn(),
		text("Status", claimStatus["phase"]),
		text("Volume", claim["volumeName"]),
		text("Capacity", claimStatus["capacity"]),
		text("Access Modes", claimStatus["accessModes"]),
		text("StorageClass", "StorageClass of the pvc"),
		text("VolumeAttributesClass", "VolumeAttributesClass of the pvc"),
		ageColumn(),
		wide("VolumeMode", claim["volumeMode"]),
	}, claimRow)
	t.addStorageClasses(now)
}

func (t *Tables) addStorageClasses(now func() time.Time) {
	doc := storagev1.StorageClass{}.SwaggerDoc()
	add(t, now, storagev1.GroupName, "storageclasses", []metav1.TableColumnDefinition{
		nameColumn(),
		text("Provisioner", doc["provisioner"]),
		text("ReclaimPolicy", doc["reclaimPolicy"]),
		text("VolumeBindingMode", doc["volumeBindingMode"]),
		text("AllowVolumeExpansion", doc["allowVolumeExpansion"]),
		ageColumn(),
	}, storageClassRow)
}

func storageClassRow(c *storagev1.StorageClass, now time.Time) row {
	name := c.Name
	if storageclass.IsDefault(c) {
		name += " (default)"
	}
	return cells(name, c.Provisioner, string(ptr.Deref(c.ReclaimPolicy, corev1.PersistentVolumeReclaimDelete)),
		string(ptr.Deref(c.VolumeBindingMode, storagev1.VolumeBindingImmediate)), ptr.Deref(c.AllowVolumeExpansion, false),
		since(c.CreationTimestamp, now))
}

func volumeRow(v *corev1.PersistentVolume, now time.Time) row {
	claim := ""
	if ref := v.Spec.ClaimRef; ref != nil {
		claim = ref.Namespace + "/" + ref.Name
	}
	phase := string(v.Status.Phase)
	if v.DeletionTimestamp != nil {
		phase = "Terminating"
	}
	class, ok := v.Annotations[corev1.BetaStorageClassAnnotation]
	if !ok {
		class = v.Spec.StorageClassName
	}
	size := v.Spec.Capacity[corev1.ResourceStorage]
	return cells(v.Name, size.String(), accessModes(v.Spec.AccessModes), string(v.Spec.PersistentVolumeReclaimPolicy),
		phase, claim, class, ptr.Deref(v.Spec.VolumeAttributesClassName, "<unset>"), v.Status.Reason,
		since(v.CreationTimestamp, now), string(ptr.Deref(v.Spec.VolumeMode, "<unset>")))
}

func claimRow(c *corev1.PersistentVolumeClaim, now time.Time) row {
	phase := string(c.Status.Phase)
	if c.DeletionTimestamp != nil {
		phase = "Terminating"
	}
	capacity, modes := "", ""
	if c.Spec.VolumeName != "" {
		size := c.Status.Capacity[corev1.ResourceStorage]
		capacity, modes = size.String(), accessModes(c.Status.AccessModes)
	}
	class, ok := c.Annotations[corev1.BetaStorageClassAnnotation]
	if !ok {
		class = ptr.Deref(c.Spec.StorageClassName, "")
	}
	return cells(c.Name, phase, c.Spec.VolumeName, capacity, modes, class,
		ptr.Deref(c.Spec.VolumeAttributesClassName, "<unset>"), since(c.CreationTimestamp, now),
		string(ptr.Deref(c.Spec.VolumeMode, "<unset>")))
}

// accessModes in their short form and fixed order: RWO,ROX,RWX,RWOP.
func accessModes(modes []corev1.PersistentVolumeAccessMode) string {
	short := []struct {
		mode corev1.PersistentVolumeAccessMode
		name string
	}{
		{corev1.ReadWriteOnce, "RWO"},
		{corev1.ReadOnlyMany, "ROX"},
		{corev1.ReadWriteMany, "RWX"},
		{corev1.ReadWriteOncePod, "RWOP"},
	}
	var names []string
	for _, s := range short {
		if slices.Contains(modes, s.mode) {
			names = append(names, s.name)
		}
	}
	return strings.Join(names, ",")
}
