package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/observed"
)

// toMake is one container about to be made.
type toMake struct {
	pod       *v1.Pod
	container *v1.Container
	image     string // for CRI
	restarts  int32
	podIPs    []string
	// target is the container whose processes an ephemeral one joins; "" for none.
	target string
}

// containerConfig describes a container to the runtime. Its error's text is the
// message of CreateContainerConfigError.
func (o *Options) containerConfig(ctx context.Context, m toMake) (*cri.ContainerConfig, error) {
	env, err := o.Environment.Env(ctx, m.pod, m.container, m.podIPs)
	if err != nil {
		return nil, err
	}
	mounts, err := o.mounts(ctx, m, env)
	if err != nil {
		return nil, err
	}
	linux, err := o.linuxContainer(ctx, m)
	if err != nil {
		return nil, err
	}
	command, args := o.Environment.Command(m.container, env)
	c := m.container
	if err := os.MkdirAll(filepath.Join(o.LogDirectory(m.pod), c.Name), 0o755); err != nil {
		return nil, fmt.Errorf("create container log directory for container %s failed: %w", c.Name, err)
	}
	return &cri.ContainerConfig{
		Metadata:    &cri.ContainerMetadata{Name: c.Name, Attempt: uint32(m.restarts)},
		Image:       &cri.ImageSpec{Image: m.image, UserSpecifiedImage: c.Image},
		Command:     command,
		Args:        args,
		WorkingDir:  c.WorkingDir,
		Envs:        env,
		Mounts:      mounts,
		Labels:      observed.ContainerLabels(m.pod, c),
		Annotations: observed.ContainerAnnotations(m.pod, c, m.restarts),
		LogPath:     filepath.Join(c.Name, strconv.Itoa(int(m.restarts))+".log"),
		Stdin:       c.Stdin, StdinOnce: c.StdinOnce, Tty: c.TTY,
		Linux:      linux,
		StopSignal: stopSignal(c),
	}, nil
}

func (o *Options) linuxContainer(ctx context.Context, m toMake) (*cri.LinuxContainerConfig, error) {
	security, err := o.containerSecurity(m.pod, m.container)
	if err != nil {
		return nil, err
	}
	if wantsNonRoot(m.pod, m.container) {
		answer, err := o.ImageUsers.ImageStatus(ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: m.image}})
		if err != nil {
			return nil, err
		}
		image := answer.GetImage()
		if err := checkNonRoot(m.pod, m.container, security.RunAsUser, image.GetUid(), image.GetUsername()); err != nil {
			return nil, err
		}
	}
	if m.target != "" && security.NamespaceOptions.Pid == cri.NamespaceMode_CONTAINER {
		security.NamespaceOptions.Pid = cri.NamespaceMode_TARGET
		security.NamespaceOptions.TargetId = m.target
	}
	return &cri.LinuxContainerConfig{SecurityContext: security, Resources: o.containerResources(m.pod, m.container)}, nil
}

func stopSignal(c *v1.Container) cri.Signal {
	if c.Lifecycle == nil || c.Lifecycle.StopSignal == nil {
		return cri.Signal_SIGNAL_RUNTIME_DEFAULT
	}
	return cri.Signal(cri.Signal_value["SIGNAL_"+string(*c.Lifecycle.StopSignal)])
}

const hostsPath = "/etc/hosts"

// mounts are the container's volumes, its hosts file and its termination
// message.
func (o *Options) mounts(ctx context.Context, m toMake, env []*cri.KeyValue) ([]*cri.Mount, error) {
	volumes, err := o.Volumes.Mount(ctx, m.pod)
	if err != nil {
		return nil, err
	}
	var mounts []*cri.Mount
	for i := range m.container.VolumeMounts {
		mount, err := o.volumeMount(ctx, m, i, volumes, env)
		if err != nil {
			return nil, err
		}
		mounts = append(mounts, mount)
	}
	if !slices.ContainsFunc(mounts, func(m *cri.Mount) bool { return m.ContainerPath == hostsPath }) {
		hosts, err := o.Environment.HostsFile(m.pod, m.podIPs)
		if err != nil {
			return nil, err
		}
		mounts = append(mounts, &cri.Mount{ContainerPath: hostsPath, HostPath: hosts})
	}
	message, err := o.messageMount(m)
	if err != nil || message == nil {
		return mounts, err
	}
	return append(mounts, message), nil
}

func (o *Options) volumeMount(ctx context.Context, m toMake, index int, volumes map[string]Mounted, env []*cri.KeyValue) (*cri.Mount, error) {
	want := &m.container.VolumeMounts[index]
	volume, ok := volumes[want.Name]
	if !ok {
		return nil, fmt.Errorf("cannot find volume %q to mount into container %q", want.Name, m.container.Name)
	}
	host := volume.HostPath
	sub, err := o.subPath(want, env)
	if err != nil {
		return nil, err
	}
	if sub != "" {
		if host, err = o.Volumes.SubPath(ctx, m.pod, m.container, index, volume, sub); err != nil {
			return nil, err
		}
	}
	path := want.MountPath
	if !filepath.IsAbs(path) {
		path = "/" + path
	}
	return &cri.Mount{
		ContainerPath: path, HostPath: host,
		Readonly:          want.ReadOnly || volume.ReadOnly,
		RecursiveReadOnly: want.RecursiveReadOnly != nil && *want.RecursiveReadOnly == v1.RecursiveReadOnlyEnabled,
		Propagation:       propagation(want.MountPropagation),
	}, nil
}

func (o *Options) subPath(want *v1.VolumeMount, env []*cri.KeyValue) (string, error) {
	sub := want.SubPath
	if want.SubPathExpr != "" {
		var err error
		if sub, err = o.Environment.SubPath(want.SubPathExpr, env); err != nil {
			return "", err
		}
	}
	if filepath.IsAbs(sub) {
		return "", fmt.Errorf("error SubPath `%s` must not be an absolute path", sub)
	}
	if slices.Contains(strings.Split(sub, "/"), "..") {
		return "", fmt.Errorf("unable to provision SubPath `%s`: %w", sub, errors.New("must not contain '..'"))
	}
	return sub, nil
}

func propagation(mode *v1.MountPropagationMode) cri.MountPropagation {
	if mode == nil {
		return cri.MountPropagation_PROPAGATION_PRIVATE
	}
	switch *mode {
	case v1.MountPropagationHostToContainer:
		return cri.MountPropagation_PROPAGATION_HOST_TO_CONTAINER
	case v1.MountPropagationBidirectional:
		return cri.MountPropagation_PROPAGATION_BIDIRECTIONAL
	}
	return cri.MountPropagation_PROPAGATION_PRIVATE
}

// messageMount makes the file for the container's termination message. Each
// start of a container has a new one, writable by any user.
func (o *Options) messageMount(m toMake) (*cri.Mount, error) {
	path := m.container.TerminationMessagePath
	if path == "" {
		return nil, nil
	}
	dir := filepath.Join(o.PodsDir, string(m.pod.UID), "containers", m.container.Name)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the folder of the termination message: %w", err)
	}
	file := filepath.Join(dir, strconv.Itoa(int(m.restarts)))
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		return nil, fmt.Errorf("make the termination message: %w", err)
	}
	if err := os.Chmod(file, 0o666); err != nil { // whatever the umask
		return nil, fmt.Errorf("make the termination message: %w", err)
	}
	if !filepath.IsAbs(path) {
		path = "/" + path
	}
	return &cri.Mount{ContainerPath: path, HostPath: file}, nil
}
