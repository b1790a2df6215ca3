package validation

import (
	"path"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateMounts checks where volumes appear in a container. As in Kubernetes,
// errors about the inside of a mount do not tell its index.
func (c *specCheck) validateMounts(container *v1.Container, at *field.Path) (errs field.ErrorList) {
	taken := map[string]bool{}
	for i := range container.VolumeMounts {
		mount, entry := &container.VolumeMounts[i], at.Index(i)
		if mount.Name == "" {
			errs = append(errs, field.Required(entry.Child("name"), ""))
		}
		if c.volumes[mount.Name] == nil {
			errs = append(errs, field.NotFound(entry.Child("name"), mount.Name))
		}
		if mount.MountPath == "" {
			errs = append(errs, field.Required(entry.Child("mountPath"), ""))
		}
		if taken[mount.MountPath] {
			errs = append(errs, field.Invalid(entry.Child("mountPath"), mount.MountPath, "must be unique"))
		}
		taken[mount.MountPath] = true
		errs = append(errs, validateMountNotDevice(mount, container.VolumeDevices, entry)...)
		errs = append(errs, validateMountOptions(mount, container, entry, at)...)
	}
	return errs
}

func validateMountNotDevice(mount *v1.VolumeMount, devices []v1.VolumeDevice, at *field.Path) (errs field.ErrorList) {
	name, location := false, false
	for _, device := range devices {
		name = name || device.Name == mount.Name
		location = location || device.DevicePath == mount.MountPath
	}
	if name {
		errs = append(errs, field.Invalid(at.Child("name"), mount.Name, "must not already exist in volumeDevices"))
	}
	if location {
		errs = append(errs, field.Invalid(at.Child("mountPath"), mount.MountPath, "must not already exist as a path in volumeDevices"))
	}
	return errs
}

func validateMountOptions(mount *v1.VolumeMount, container *v1.Container, entry, all *field.Path) (errs field.ErrorList) {
	if mount.SubPath != "" {
		errs = append(errs, validateDescendingPath(mount.SubPath, all.Child("subPath"))...)
	}
	if mount.SubPathExpr != "" {
		if mount.SubPath != "" {
			errs = append(errs, field.Invalid(entry.Child("subPathExpr"), mount.SubPathExpr, "subPathExpr and subPath are mutually exclusive"))
		}
		errs = append(errs, validateDescendingPath(mount.SubPathExpr, all.Child("subPathExpr"))...)
	}
	if mount.MountPropagation != nil {
		errs = append(errs, validatePropagation(*mount.MountPropagation, container, all.Child("mountPropagation"))...)
	}
	if mount.RecursiveReadOnly != nil {
		errs = append(errs, validateRecursiveReadOnly(mount, all.Child("recursiveReadOnly"))...)
	}
	return errs
}

func validatePropagation(mode v1.MountPropagationMode, container *v1.Container, at *field.Path) field.ErrorList {
	errs := oneOf(at, mode, v1.MountPropagationBidirectional, v1.MountPropagationHostToContainer, v1.MountPropagationNone)
	if mode == v1.MountPropagationBidirectional && !isPrivileged(container.SecurityContext) {
		errs = append(errs, field.Forbidden(at, "Bidirectional mount propagation is available only to privileged containers"))
	}
	return errs
}

func isPrivileged(sc *v1.SecurityContext) bool {
	return sc != nil && sc.Privileged != nil && *sc.Privileged
}

func validateRecursiveReadOnly(mount *v1.VolumeMount, at *field.Path) (errs field.ErrorList) {
	switch *mount.RecursiveReadOnly {
	case v1.RecursiveReadOnlyDisabled:
		return nil
	case v1.RecursiveReadOnlyEnabled, v1.RecursiveReadOnlyIfPossible:
	default:
		return oneOf(at, *mount.RecursiveReadOnly, v1.RecursiveReadOnlyDisabled, v1.RecursiveReadOnlyIfPossible, v1.RecursiveReadOnlyEnabled)
	}
	if !mount.ReadOnly {
		errs = append(errs, field.Forbidden(at, "may only be specified when readOnly is true"))
	}
	if mount.MountPropagation != nil && *mount.MountPropagation != v1.MountPropagationNone {
		errs = append(errs, field.Forbidden(at, "may only be specified when mountPropagation is None or not specified"))
	}
	return errs
}

// validateDevices checks volumes that a container uses as block devices.
func (c *specCheck) validateDevices(container *v1.Container, at *field.Path) (errs field.ErrorList) {
	names, locations := map[string]bool{}, map[string]bool{}
	for i, device := range container.VolumeDevices {
		name, location := at.Index(i).Child("name"), at.Index(i).Child("devicePath")
		if device.Name == "" {
			errs = append(errs, field.Required(name, ""))
		}
		if names[device.Name] {
			errs = append(errs, field.Invalid(name, device.Name, "must be unique"))
		}
		source := c.volumes[device.Name]
		if source == nil {
			errs = append(errs, field.NotFound(name, device.Name))
		} else if source.PersistentVolumeClaim == nil && source.Ephemeral == nil {
			errs = append(errs, field.Invalid(name, device.Name, "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"))
		}
		if device.DevicePath == "" {
			errs = append(errs, field.Required(location, ""))
		}
		if locations[device.DevicePath] {
			errs = append(errs, field.Invalid(location, device.DevicePath, "must be unique"))
		}
		if hasBacksteps(device.DevicePath) {
			errs = append(errs, field.Invalid(location, device.DevicePath, "can not contain backsteps ('..')"))
		} else {
			locations[device.DevicePath] = true
		}
		errs = append(errs, validateDeviceNotMount(device, container.VolumeMounts, name, location)...)
		names[device.Name] = device.Name != ""
	}
	return errs
}

func validateDeviceNotMount(device v1.VolumeDevice, mounts []v1.VolumeMount, nameAt, locationAt *field.Path) (errs field.ErrorList) {
	name, location := false, false
	for _, mount := range mounts {
		name = name || device.Name == mount.Name
		location = location || device.DevicePath == mount.MountPath
	}
	if name {
		errs = append(errs, field.Invalid(nameAt, device.Name, "must not already exist in volumeMounts"))
	}
	if location {
		errs = append(errs, field.Invalid(locationAt, device.DevicePath, "must not already exist as a path in volumeMounts"))
	}
	return errs
}

// validateDescendingPath checks that a path leads downwards only.
func validateDescendingPath(target string, at *field.Path) (errs field.ErrorList) {
	if path.IsAbs(target) {
		errs = append(errs, field.Invalid(at, target, "must be a relative path"))
	}
	return append(errs, validateNoBacksteps(target, at)...)
}

// validateVolumeFile checks the path of a file within a volume whose names
// beginning with two dots are used otherwise.
func validateVolumeFile(target string, at *field.Path) field.ErrorList {
	errs := validateDescendingPath(target, at)
	if strings.HasPrefix(target, "..") && !strings.HasPrefix(target, "../") {
		errs = append(errs, field.Invalid(at, target, "must not start with '..'"))
	}
	return errs
}

func validateNoBacksteps(target string, at *field.Path) field.ErrorList {
	if !hasBacksteps(target) {
		return nil
	}
	return field.ErrorList{field.Invalid(at, target, "must not contain '..'")}
}

func hasBacksteps(target string) bool {
	for part := range strings.SplitSeq(target, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}
