package validation

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/component-helpers/node/util/sysctl"
)

// validatePodSecurity checks the security context of the pod as a whole.
func validatePodSecurity(spec *v1.PodSpec, path *field.Path) (errs field.ErrorList) {
	sc := spec.SecurityContext
	if sc == nil {
		return nil
	}
	errs = slices.Concat(
		validateID(sc.FSGroup, validation.IsValidGroupID, path.Child("fsGroup")),
		validateID(sc.RunAsUser, validation.IsValidUserID, path.Child("runAsUser")),
		validateID(sc.RunAsGroup, validation.IsValidGroupID, path.Child("runAsGroup")))
	for i := range sc.SupplementalGroups {
		errs = append(errs, validateID(&sc.SupplementalGroups[i], validation.IsValidGroupID, path.Child("supplementalGroups").Index(i))...)
	}
	if share := spec.ShareProcessNamespace; share != nil && *share && spec.HostPID {
		errs = append(errs, field.Invalid(path.Child("shareProcessNamespace"), true, "ShareProcessNamespace and HostPID cannot both be enabled"))
	}
	errs = append(errs, validateSysctls(spec, path.Child("sysctls"))...)
	if sc.FSGroupChangePolicy != nil {
		errs = append(errs, oneOf(path.Child("fsGroupChangePolicy"), *sc.FSGroupChangePolicy, v1.FSGroupChangeOnRootMismatch, v1.FSGroupChangeAlways)...)
	}
	errs = slices.Concat(errs,
		validateSeccomp(sc.SeccompProfile, path.Child("seccompProfile")),
		validateWindowsOptions(sc.WindowsOptions, path.Child("windowsOptions")),
		validateAppArmor(sc.AppArmorProfile, path.Child("appArmorProfile")))
	if sc.SupplementalGroupsPolicy != nil {
		errs = append(errs, oneOf(path.Child("supplementalGroupsPolicy"), *sc.SupplementalGroupsPolicy, v1.SupplementalGroupsPolicyMerge, v1.SupplementalGroupsPolicyStrict)...)
	}
	if sc.SELinuxChangePolicy != nil {
		errs = append(errs, oneOf(path.Child("seLinuxChangePolicy"), *sc.SELinuxChangePolicy, v1.SELinuxChangePolicyRecursive, v1.SELinuxChangePolicyMountOption)...)
	}
	return errs
}

// validateContainerSecurity checks the security context of a container.
func (c *specCheck) validateContainerSecurity(sc *v1.SecurityContext, path *field.Path) field.ErrorList {
	if sc == nil {
		return nil
	}
	return slices.Concat(
		validateID(sc.RunAsUser, validation.IsValidUserID, path.Child("runAsUser")),
		validateID(sc.RunAsGroup, validation.IsValidGroupID, path.Child("runAsGroup")),
		c.validateProcMount(sc.ProcMount, path.Child("procMount")),
		validateSeccomp(sc.SeccompProfile, path.Child("seccompProfile")),
		validateEscalation(sc, path),
		validateWindowsOptions(sc.WindowsOptions, path.Child("windowsOptions")),
		validateAppArmor(sc.AppArmorProfile, path.Child("appArmorProfile")))
}

func validateID(id *int64, check func(int64) []string, path *field.Path) field.ErrorList {
	if id == nil {
		return nil
	}
	return invalid(path, *id, check(*id))
}

func (c *specCheck) validateProcMount(mount *v1.ProcMountType, path *field.Path) field.ErrorList {
	if mount == nil {
		return nil
	}
	errs := oneOf(path, *mount, v1.DefaultProcMount, v1.UnmaskedProcMount)
	if *mount == v1.UnmaskedProcMount && !c.hasOwnUsers() {
		errs = append(errs, field.Invalid(path, mount, "`hostUsers` must be false to use `Unmasked`"))
	}
	return errs
}

// hasOwnUsers tells whether the pod has a user namespace of its own.
func (c *specCheck) hasOwnUsers() bool { return c.spec.HostUsers != nil && !*c.spec.HostUsers }

// validateEscalation checks that what may gain no privileges has none.
func validateEscalation(sc *v1.SecurityContext, path *field.Path) (errs field.ErrorList) {
	if sc.AllowPrivilegeEscalation == nil || *sc.AllowPrivilegeEscalation {
		return nil
	}
	if isPrivileged(sc) {
		errs = append(errs, field.Invalid(path, sc, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"))
	}
	if sc.Capabilities == nil {
		return errs
	}
	for _, capability := range sc.Capabilities.Add {
		if capability == "CAP_SYS_ADMIN" {
			errs = append(errs, field.Invalid(path, sc, "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"))
		}
	}
	return errs
}

func validateSeccomp(profile *v1.SeccompProfile, path *field.Path) field.ErrorList {
	if profile == nil {
		return nil
	}
	file := path.Child("localhostProfile")
	errs := validateProfileType(profile.Type, "type is required when seccompProfile is set", path.Child("type"),
		v1.SeccompProfileTypeLocalhost, v1.SeccompProfileTypeRuntimeDefault, v1.SeccompProfileTypeUnconfined)
	switch local := profile.Type == v1.SeccompProfileTypeLocalhost; {
	case local && profile.LocalhostProfile == nil:
		errs = append(errs, field.Required(file, "must be set when seccomp type is Localhost"))
	case local:
		errs = append(errs, validateDescendingPath(*profile.LocalhostProfile, file)...)
	case profile.LocalhostProfile != nil:
		errs = append(errs, field.Invalid(file, profile, "can only be set when seccomp type is Localhost"))
	}
	return errs
}

func validateProfileType[T ~string](value T, missing string, path *field.Path, supported ...T) field.ErrorList {
	switch {
	case value == "":
		return field.ErrorList{field.Required(path, missing)}
	case !slices.Contains(supported, value):
		return field.ErrorList{field.NotSupported(path, value, supported)}
	}
	return nil
}

func validateAppArmor(profile *v1.AppArmorProfile, path *field.Path) field.ErrorList {
	if profile == nil {
		return nil
	}
	name := path.Child("localhostProfile")
	switch profile.Type {
	case v1.AppArmorProfileTypeLocalhost:
		return validateAppArmorName(profile.LocalhostProfile, name)
	case v1.AppArmorProfileTypeRuntimeDefault, v1.AppArmorProfileTypeUnconfined:
		if profile.LocalhostProfile != nil {
			return field.ErrorList{field.Invalid(name, profile.LocalhostProfile, "can only be set when AppArmor type is Localhost")}
		}
		return nil
	}
	return validateProfileType(profile.Type, "type is required when appArmorProfile is set", path.Child("type"),
		v1.AppArmorProfileTypeLocalhost, v1.AppArmorProfileTypeRuntimeDefault, v1.AppArmorProfileTypeUnconfined)
}

func validateAppArmorName(name *string, path *field.Path) (errs field.ErrorList) {
	const missing, longest = "must be set when AppArmor type is Localhost", 4095
	if name == nil {
		return field.ErrorList{field.Required(path, missing)}
	}
	if strings.TrimSpace(*name) != *name {
		errs = append(errs, field.Invalid(path, *name, "must not be padded with whitespace"))
	} else if *name == "" {
		errs = append(errs, field.Required(path, missing))
	}
	if len(*name) > longest {
		errs = append(errs, field.TooLong(path, "", longest))
	}
	return errs
}

// The form of a kernel parameter's name, its parts joined by dots or slashes.
const (
	sysctlPart    = `[a-z0-9]([-_a-z0-9]*[a-z0-9])?`
	sysctlForm    = `^(` + sysctlPart + `[\./])*` + sysctlPart + `$`
	sysctlLongest = 253
)

var sysctlName = regexp.MustCompile(sysctlForm)

// validateSysctls checks kernel parameters: those of a namespace that the pod
// shares with the host cannot be set.
func validateSysctls(spec *v1.PodSpec, path *field.Path) (errs field.ErrorList) {
	seen := map[string]bool{}
	for i, s := range spec.SecurityContext.Sysctls {
		at := path.Index(i).Child("name")
		switch {
		case s.Name == "":
			errs = append(errs, field.Required(at, ""))
		case len(s.Name) > sysctlLongest || !sysctlName.MatchString(s.Name):
			errs = append(errs, field.Invalid(at, s.Name, fmt.Sprintf("must have at most %d characters and match regex %s", sysctlLongest, sysctlForm)))
		case seen[s.Name]:
			errs = append(errs, field.Duplicate(at, s.Name))
		}
		seen[s.Name] = true
		switch namespace, _, _ := sysctl.GetNamespace(s.Name); {
		case namespace == sysctl.NetNamespace && spec.HostNetwork:
			errs = append(errs, field.Invalid(at, s.Name, "may not be specified when 'hostNetwork' is true"))
		case namespace == sysctl.IPCNamespace && spec.HostIPC:
			errs = append(errs, field.Invalid(at, s.Name, "may not be specified when 'hostIPC' is true"))
		}
	}
	return errs
}

// validateHostUsers checks that a pod with users of its own shares no other
// namespace and no device with the host.
func (c *specCheck) validateHostUsers(path *field.Path) (errs field.ErrorList) {
	if !c.hasOwnUsers() || c.spec.SecurityContext == nil {
		return nil
	}
	const detail = "when `hostUsers` is false"
	if c.spec.HostNetwork {
		errs = append(errs, field.Forbidden(path.Child("hostNetwork"), detail))
	}
	if c.spec.HostPID {
		errs = append(errs, field.Forbidden(path.Child("HostPID"), detail))
	}
	if c.spec.HostIPC {
		errs = append(errs, field.Forbidden(path.Child("HostIPC"), detail))
	}
	visitContainers(c.spec, path, func(container *v1.Container, at *field.Path) {
		if len(container.VolumeDevices) > 0 {
			errs = append(errs, field.Forbidden(at.Child("volumeDevices"), detail))
		}
	})
	return errs
}
