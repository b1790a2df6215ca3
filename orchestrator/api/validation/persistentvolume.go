package validation

import (
	"fmt"
	"path"
	"reflect"
	"strings"

	v1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/diff"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

// ValidatePersistentVolumeCreate checks a new volume.
func ValidatePersistentVolumeCreate(v *v1.PersistentVolume) field.ErrorList {
	errs := validateMeta(&v.ObjectMeta, false, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	return append(errs, validatePersistentVolumeSpec(&v.Spec, field.NewPath("spec"))...)
}

// ValidatePersistentVolumeUpdate checks a changed volume: where its data are
// stays, and so do the nodes that reach them once they are named.
func ValidatePersistentVolumeUpdate(v, old *v1.PersistentVolume) field.ErrorList {
	errs := validateMetaUpdate(&v.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	errs = append(errs, ValidatePersistentVolumeCreate(v)...)
	if now, before := v.Spec.PersistentVolumeSource, old.Spec.PersistentVolumeSource; !apiequality.Semantic.DeepEqual(now, before) {
		errs = append(errs, field.Forbidden(field.NewPath("spec", "persistentvolumesource"),
			fmt.Sprintf("spec.persistentvolumesource is immutable after creation\n%v", diff.Diff(before, now))))
	}
	errs = append(errs, validateImmutable(v.Spec.VolumeMode, old.Spec.VolumeMode, field.NewPath("volumeMode"))...)
	if old.Spec.NodeAffinity != nil && !apiequality.Semantic.DeepEqual(v.Spec.NodeAffinity, old.Spec.NodeAffinity) {
		errs = append(errs, field.Invalid(field.NewPath("nodeAffinity"), v.Spec.NodeAffinity, msgImmutable+", except for updating from beta label to GA"))
	}
	if old.Spec.VolumeAttributesClassName != nil && v.Spec.VolumeAttributesClassName == nil {
		errs = append(errs, field.Forbidden(field.NewPath("spec", "volumeAttributesClassName"), "update from non-nil value to nil is forbidden"))
	}
	return errs
}

// ValidatePersistentVolumeStatusUpdate checks a changed status of a volume.
func ValidatePersistentVolumeStatusUpdate(v, old *v1.PersistentVolume) field.ErrorList {
	errs := validateMetaUpdate(&v.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	return append(errs, required(field.NewPath("resourceVersion"), v.ResourceVersion, "")...)
}

func validatePersistentVolumeSpec(s *v1.PersistentVolumeSpec, at *field.Path) (errs field.ErrorList) {
	if len(s.AccessModes) == 0 {
		errs = append(errs, field.Required(at.Child("accessModes"), ""))
	} else {
		errs = append(errs, validateAccessModes(s.AccessModes, at.Child("accessModes"))...)
	}
	errs = append(errs, validateCapacity(s.Capacity, at.Child("capacity"))...)
	reclaim := at.Child("persistentVolumeReclaimPolicy")
	if policy := s.PersistentVolumeReclaimPolicy; policy != "" {
		errs = append(errs, oneOf(reclaim, policy, v1.PersistentVolumeReclaimDelete, v1.PersistentVolumeReclaimRecycle, v1.PersistentVolumeReclaimRetain)...)
	}
	if a := s.NodeAffinity; a != nil {
		if a.Required == nil {
			errs = append(errs, field.Required(at.Child("nodeAffinity", "required"), "must specify required node constraints"))
		} else {
			errs = append(errs, validateNodeSelector(a.Required, at.Child("nodeAffinity", "required"))...)
		}
	}
	errs = append(errs, validateVolumeSource(s, at)...)
	if s.HostPath != nil && path.Clean(s.HostPath.Path) == "/" && s.PersistentVolumeReclaimPolicy == v1.PersistentVolumeReclaimRecycle {
		errs = append(errs, field.Forbidden(reclaim, "may not be 'recycle' for a hostPath mount of '/'"))
	}
	if s.StorageClassName != "" {
		errs = append(errs, validateName(s.StorageClassName, apivalidation.NameIsDNSSubdomain, at.Child("storageClassName"))...)
	}
	if s.VolumeMode != nil {
		errs = append(errs, oneOf(at.Child("volumeMode"), *s.VolumeMode, v1.PersistentVolumeBlock, v1.PersistentVolumeFilesystem)...)
	}
	return append(errs, validateAttributesClass(s, at)...)
}

func validateCapacity(capacity v1.ResourceList, at *field.Path) (errs field.ErrorList) {
	if len(capacity) == 0 {
		errs = append(errs, field.Required(at, ""))
	}
	if !has(capacity, v1.ResourceStorage) || len(capacity) > 1 {
		errs = append(errs, field.NotSupported(at, capacity, []v1.ResourceName{v1.ResourceStorage}))
	}
	for _, name := range sortedKeys(capacity) {
		size := capacity[name]
		if size.Value() < 0 {
			errs = append(errs, field.Invalid(at.Key(string(name)), size.Value(), "must be a valid resource quantity"))
		}
		errs = append(errs, validatePositiveQuantity(size, at.Key(string(name)))...)
	}
	return errs
}

// validateVolumeSource checks that a volume is of exactly one type, and those
// types that have rules of their own here.
func validateVolumeSource(s *v1.PersistentVolumeSpec, at *field.Path) (errs field.ErrorList) {
	sources, count := reflect.ValueOf(s.PersistentVolumeSource), 0
	for i := range sources.NumField() {
		if sources.Field(i).IsNil() {
			continue
		}
		name, _, _ := strings.Cut(sources.Type().Field(i).Tag.Get("json"), ",")
		if count++; count > 1 {
			errs = append(errs, field.Forbidden(at.Child(name), "may not specify more than 1 volume type"))
		}
	}
	if count == 0 {
		errs = append(errs, field.Required(at, "must specify a volume type"))
	}
	if s.HostPath != nil {
		errs = append(errs, validateHostPath(s.HostPath, at.Child("hostPath"))...)
	}
	if s.NFS != nil {
		errs = append(errs, validateNFS(s.NFS, at.Child("nfs"))...)
	}
	if s.Local != nil {
		errs = append(errs, validateLocalVolume(s, at)...)
	}
	if s.CSI != nil {
		errs = append(errs, validatePersistentCSI(s.CSI, at.Child("csi"))...)
	}
	return errs
}

func validateLocalVolume(s *v1.PersistentVolumeSpec, at *field.Path) (errs field.ErrorList) {
	if p := at.Child("local", "path"); s.Local.Path == "" {
		errs = append(errs, field.Required(p, ""))
	} else {
		errs = append(errs, validateNoBacksteps(s.Local.Path, p)...)
	}
	if s.NodeAffinity == nil {
		errs = append(errs, field.Required(at.Child("nodeAffinity"), "Local volume requires node affinity"))
	}
	return errs
}

func validatePersistentCSI(s *v1.CSIPersistentVolumeSource, at *field.Path) (errs field.ErrorList) {
	errs = append(errs, validateCSIDriver(s.Driver, at.Child("driver"))...)
	errs = append(errs, required(at.Child("volumeHandle"), s.VolumeHandle, "")...)
	for _, ref := range []struct {
		name   string
		secret *v1.SecretReference
	}{
		{"controllerPublishSecretRef", s.ControllerPublishSecretRef},
		{"controllerExpandSecretRef", s.ControllerExpandSecretRef},
		{"nodePublishSecretRef", s.NodePublishSecretRef},
		{"nodeExpandSecretRef", s.NodeExpandSecretRef},
	} {
		if ref.secret != nil {
			errs = append(errs, validateSecretReference(ref.secret, at.Child(ref.name))...)
		}
	}
	return errs
}

func validateSecretReference(ref *v1.SecretReference, at *field.Path) (errs field.ErrorList) {
	if ref.Name == "" {
		errs = append(errs, field.Required(at.Child("name"), ""))
	} else {
		errs = append(errs, validateDNSSubdomain(ref.Name, at.Child("name"))...)
	}
	if ref.Namespace == "" {
		return append(errs, field.Required(at.Child("namespace"), ""))
	}
	return append(errs, validateDNSLabel(ref.Namespace, at.Child("namespace"))...)
}

func validateAttributesClass(s *v1.PersistentVolumeSpec, at *field.Path) (errs field.ErrorList) {
	if s.VolumeAttributesClassName == nil {
		return nil
	}
	class, p := ptr.Deref(s.VolumeAttributesClassName, ""), at.Child("volumeAttributesClassName")
	if class == "" {
		errs = append(errs, field.Required(p, "an empty string is disallowed"))
	} else {
		errs = append(errs, validateName(class, apivalidation.NameIsDNSSubdomain, p)...)
	}
	if s.CSI == nil {
		errs = append(errs, field.Required(at.Child("csi"), "has to be specified when using volumeAttributesClassName"))
	}
	return errs
}
