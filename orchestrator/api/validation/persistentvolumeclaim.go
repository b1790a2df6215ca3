package validation

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/diff"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

// ValidatePersistentVolumeClaimCreate checks a new claim.
func ValidatePersistentVolumeClaimCreate(c *v1.PersistentVolumeClaim) field.ErrorList {
	errs := validateMeta(&c.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	return append(errs, validateClaimSpec(&c.Spec, field.NewPath("spec"))...)
}

// ValidatePersistentVolumeClaimUpdate checks a changed claim: a volume is set
// once, and only a bound claim may ask for more.
func ValidatePersistentVolumeClaimUpdate(c, old *v1.PersistentVolumeClaim) field.ErrorList {
	errs := validateMetaUpdate(&c.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	errs = append(errs, ValidatePersistentVolumeClaimCreate(c)...)
	errs = append(errs, validateClassAnnotation(c, old)...)
	spec := field.NewPath("spec")
	if now, before := comparableClaims(c, old); !apiequality.Semantic.DeepEqual(now, before) {
		errs = append(errs, field.Forbidden(spec, fmt.Sprintf(
			"spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n%v", diff.Diff(before, now))))
	}
	size, oldSize, capacity := c.Spec.Resources.Requests[v1.ResourceStorage], old.Spec.Resources.Requests[v1.ResourceStorage], old.Status.Capacity[v1.ResourceStorage]
	if size.Cmp(oldSize) < 0 && size.Cmp(capacity) <= 0 {
		errs = append(errs, field.Forbidden(spec.Child("resources", "requests", "storage"), "field can not be less than status.capacity"))
	}
	errs = append(errs, validateImmutable(c.Spec.VolumeMode, old.Spec.VolumeMode, field.NewPath("volumeMode"))...)
	if old.Status.CurrentVolumeAttributesClassName != nil {
		path, class := spec.Child("volumeAttributesClassName"), c.Spec.VolumeAttributesClassName
		const instead = "is forbidden when status.currentVolumeAttributesClassName is not nil"
		if class == nil {
			errs = append(errs, field.Forbidden(path, "update to nil "+instead))
		} else if *class == "" {
			errs = append(errs, field.Forbidden(path, "update to empty string "+instead))
		}
	}
	return errs
}

func validateClassAnnotation(c, old *v1.PersistentVolumeClaim) field.ErrorList {
	const key = v1.BetaStorageClassAnnotation
	if movesClass(c, old) {
		return nil
	}
	return validateImmutable(c.Annotations[key], old.Annotations[key], field.NewPath("metadata", "annotations").Key(key))
}

// movesClass tells whether the class moves from the old annotation to the field.
func movesClass(c, old *v1.PersistentVolumeClaim) bool {
	class, annotated := old.Annotations[v1.BetaStorageClassAnnotation]
	now, still := c.Annotations[v1.BetaStorageClassAnnotation]
	return annotated && old.Spec.StorageClassName == nil && ptr.Deref(c.Spec.StorageClassName, "\x00") == class && (!still || now == class)
}

// comparableClaims are the specs without what may change between them.
func comparableClaims(c, old *v1.PersistentVolumeClaim) (now, before *v1.PersistentVolumeClaimSpec) {
	now, before = c.Spec.DeepCopy(), old.Spec.DeepCopy()
	if before.VolumeName == "" {
		before.VolumeName = now.VolumeName
	}
	if before.StorageClassName == nil && now.StorageClassName != nil {
		class, annotated := old.Annotations[v1.BetaStorageClassAnnotation]
		if !annotated || class == *now.StorageClassName {
			now.StorageClassName = nil
		}
	}
	if c.Status.Phase == v1.ClaimBound {
		if now.Resources.Requests != nil {
			now.Resources.Requests[v1.ResourceStorage] = before.Resources.Requests[v1.ResourceStorage]
		}
		now.VolumeAttributesClassName = before.VolumeAttributesClassName
	}
	return now, before
}

// ValidatePersistentVolumeClaimStatusUpdate checks a changed status of a claim.
func ValidatePersistentVolumeClaimStatusUpdate(c, old *v1.PersistentVolumeClaim) field.ErrorList {
	errs := validateMetaUpdate(&c.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	errs = append(errs, required(field.NewPath("resourceVersion"), c.ResourceVersion, "")...)
	if len(c.Spec.AccessModes) == 0 {
		errs = append(errs, field.Required(field.NewPath("Spec", "accessModes"), ""))
	}
	status := field.NewPath("status")
	for _, name := range sortedKeys(c.Status.Capacity) {
		errs = append(errs, validateVolumeSize(c.Status.Capacity[name], status.Child("capacity").Key(string(name)))...)
	}
	errs = append(errs, validateResizes(c, status.Child("allocatedResourceStatuses"))...)
	allocated := status.Child("allocatedResources")
	for _, name := range sortedKeys(c.Status.AllocatedResources) {
		if e := validateClaimResource(name, allocated); len(e) > 0 {
			errs = append(errs, e...)
			continue
		}
		errs = append(errs, validateVolumeSize(c.Status.AllocatedResources[name], allocated.Key(string(name)))...)
	}
	return errs
}

func validateVolumeSize(size resource.Quantity, path *field.Path) field.ErrorList {
	if size.Value() >= 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, size.Value(), "must be a valid resource quantity")}
}

func validateResizes(c *v1.PersistentVolumeClaim, path *field.Path) (errs field.ErrorList) {
	for _, name := range sortedKeys(c.Status.AllocatedResourceStatuses) {
		errs = append(errs, validateClaimResource(name, path)...)
		errs = append(errs, oneOf(path, c.Status.AllocatedResourceStatuses[name],
			v1.PersistentVolumeClaimControllerResizeInProgress, v1.PersistentVolumeClaimControllerResizeInfeasible,
			v1.PersistentVolumeClaimNodeResizePending, v1.PersistentVolumeClaimNodeResizeInProgress,
			v1.PersistentVolumeClaimNodeResizeInfeasible)...)
	}
	return errs
}

// validateClaimResource lets claims have storage and what others define.
func validateClaimResource(name v1.ResourceName, path *field.Path) field.ErrorList {
	if errs := invalid(path, name, validation.IsQualifiedName(string(name))); len(errs) > 0 {
		return errs
	}
	if isNativeResource(name) && name != v1.ResourceStorage {
		return field.ErrorList{field.NotSupported(path, name, []v1.ResourceName{v1.ResourceStorage})}
	}
	return nil
}
