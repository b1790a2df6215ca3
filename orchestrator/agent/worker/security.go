package worker

import (
	"errors"
	"fmt"
	"path/filepath"

	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// containerSecurity is the container's security context over the pod's.
func (o *Options) containerSecurity(pod *v1.Pod, container *v1.Container) (*cri.LinuxContainerSecurityContext, error) {
	own := container.SecurityContext
	if own == nil {
		own = &v1.SecurityContext{}
	}
	shared := pod.Spec.SecurityContext
	if shared == nil {
		shared = &v1.PodSecurityContext{}
	}
	s := &cri.LinuxContainerSecurityContext{
		Capabilities:     capabilities(own.Capabilities),
		Privileged:       isTrue(own.Privileged),
		NamespaceOptions: namespaces(pod),
		SelinuxOptions:   selinux(first(own.SELinuxOptions, shared.SELinuxOptions)),
		RunAsUser:        int64Value(first(own.RunAsUser, shared.RunAsUser)),
		RunAsGroup:       int64Value(first(own.RunAsGroup, shared.RunAsGroup)),
		ReadonlyRootfs:   isTrue(own.ReadOnlyRootFilesystem),
		NoNewPrivs:       own.AllowPrivilegeEscalation != nil && !*own.AllowPrivilegeEscalation,
	}
	s.SupplementalGroups, s.SupplementalGroupsPolicy = groups(shared)
	if own.ProcMount == nil || *own.ProcMount != v1.UnmaskedProcMount {
		s.MaskedPaths, s.ReadonlyPaths = maskedPaths(), readonlyPaths()
	}
	var err error
	if s.Seccomp, err = o.seccomp(first(own.SeccompProfile, shared.SeccompProfile)); err != nil {
		return nil, err
	}
	s.Apparmor, err = apparmor(first(own.AppArmorProfile, shared.AppArmorProfile))
	return s, err
}

func first[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

func isTrue(b *bool) bool { return b != nil && *b }

func capabilities(c *v1.Capabilities) *cri.Capability {
	if c == nil {
		return nil
	}
	out := &cri.Capability{}
	for _, name := range c.Add {
		out.AddCapabilities = append(out.AddCapabilities, string(name))
	}
	for _, name := range c.Drop {
		out.DropCapabilities = append(out.DropCapabilities, string(name))
	}
	return out
}

// seccomp is the profile for the runtime; without one the container is
// unconfined, as Kubernetes' default is.
func (o *Options) seccomp(p *v1.SeccompProfile) (*cri.SecurityProfile, error) {
	if p == nil {
		return &cri.SecurityProfile{ProfileType: cri.SecurityProfile_Unconfined}, nil
	}
	switch p.Type {
	case v1.SeccompProfileTypeRuntimeDefault:
		return &cri.SecurityProfile{ProfileType: cri.SecurityProfile_RuntimeDefault}, nil
	case v1.SeccompProfileTypeLocalhost:
		if p.LocalhostProfile == nil || *p.LocalhostProfile == "" {
			//nolint:staticcheck // a container's state, in Kubernetes' words
			return nil, errors.New("localhostProfile must be set if seccompProfile type is Localhost.")
		}
		return &cri.SecurityProfile{
			ProfileType: cri.SecurityProfile_Localhost, LocalhostRef: filepath.Join(o.SeccompDir, *p.LocalhostProfile),
		}, nil
	}
	return &cri.SecurityProfile{ProfileType: cri.SecurityProfile_Unconfined}, nil
}

func apparmor(p *v1.AppArmorProfile) (*cri.SecurityProfile, error) {
	if p == nil {
		return nil, nil
	}
	switch p.Type {
	case v1.AppArmorProfileTypeUnconfined:
		return &cri.SecurityProfile{ProfileType: cri.SecurityProfile_Unconfined}, nil
	case v1.AppArmorProfileTypeLocalhost:
		if p.LocalhostProfile == nil {
			return nil, errors.New("missing localhost apparmor profile name")
		}
		return &cri.SecurityProfile{ProfileType: cri.SecurityProfile_Localhost, LocalhostRef: *p.LocalhostProfile}, nil
	}
	return &cri.SecurityProfile{ProfileType: cri.SecurityProfile_RuntimeDefault}, nil
}

// maskedPaths and readonlyPaths are what container engines agree to hide of the
// kernel's file systems.
func maskedPaths() []string {
	return []string{
		"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
		"/sys/firmware", "/sys/devices/virtual/powercap",
	}
}

func readonlyPaths() []string {
	return []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}

// wantsNonRoot says that the container must not run as root.
func wantsNonRoot(pod *v1.Pod, container *v1.Container) bool {
	var own, shared *bool
	if container.SecurityContext != nil {
		own = container.SecurityContext.RunAsNonRoot
	}
	if pod.Spec.SecurityContext != nil {
		shared = pod.Spec.SecurityContext.RunAsNonRoot
	}
	return isTrue(first(own, shared))
}

// checkNonRoot refuses a container that would run as root though it must not.
// user is the spec's; uid and name are the image's.
func checkNonRoot(pod *v1.Pod, container *v1.Container, user, uid *cri.Int64Value, name string) error {
	where := fmt.Sprintf("(pod: %q, container: %s)", describe(pod), container.Name)
	switch {
	case user != nil && user.Value == 0:
		return fmt.Errorf("container's runAsUser breaks non-root policy %s", where)
	case user != nil:
		return nil
	case uid == nil && name != "":
		return fmt.Errorf("container has runAsNonRoot and image has non-numeric user (%s), cannot verify user is non-root %s", name, where)
	case uid == nil || uid.Value == 0: // an image that names no user runs as root
		return fmt.Errorf("container has runAsNonRoot and image will run as root %s", where)
	}
	return nil
}
