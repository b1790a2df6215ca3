package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/worker"
)

// SubPath makes the path below the volume where it is not there, and binds it
// to a place of the pod's own that no container can exchange for a link. The
// reasons of failures go to the log only: they would tell of the host's files.
func (m *Manager) SubPath(_ context.Context, pod *corev1.Pod, container *corev1.Container, mount int, volume worker.Mounted, subPath string) (string, error) {
	if path.IsAbs(subPath) {
		return "", fmt.Errorf("error SubPath `%s` must not be an absolute path", subPath)
	}
	if err := noBacksteps(subPath); err != nil {
		return "", fmt.Errorf("unable to provision SubPath `%s`: %w", subPath, err)
	}
	name := container.VolumeMounts[mount].Name
	if err := makeSubPath(volume.HostPath, subPath); err != nil {
		m.logSubPath(pod, container, name, err)
		return "", fmt.Errorf("failed to create subPath directory for volumeMount %q of container %q", name, container.Name)
	}
	target := filepath.Join(m.PodDir(pod.UID), "volume-subpaths", name, container.Name, strconv.Itoa(mount))
	if err := m.bindSubPath(volume.HostPath, subPath, target); err != nil {
		m.logSubPath(pod, container, name, err)
		return "", fmt.Errorf("failed to prepare subPath for volumeMount %q of container %q", name, container.Name)
	}
	return target, nil
}

func (m *Manager) logSubPath(pod *corev1.Pod, container *corev1.Container, volume string, err error) {
	m.o.Logger.Warn("cannot prepare a subPath", "namespace", pod.Namespace, "pod", pod.Name, "container", container.Name, "volume", volume, "err", err)
}

// makeSubPath makes the folders that are missing, with the volume's own mode.
func makeSubPath(volume, subPath string) error {
	root, err := os.OpenRoot(volume)
	if err != nil {
		return err
	}
	defer root.Close()
	if _, err := root.Stat(subPath); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	return makeMissing(root, filepath.Clean(subPath), info.Mode().Perm())
}

// makeMissing makes the folder and those above it; only what it makes gets the
// mode.
func makeMissing(root *os.Root, dir string, mode os.FileMode) error {
	if dir == "." {
		return nil
	}
	if _, err := root.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := makeMissing(root, filepath.Dir(dir), mode); err != nil {
		return err
	}
	if err := root.Mkdir(dir, mode); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return root.Chmod(dir, mode)
}

func (m *Manager) bindSubPath(volume, subPath, target string) error {
	f, err := openBeneath(volume, subPath)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	mounted, err := m.o.Mounter.IsMounted(target)
	if err != nil {
		return err
	}
	if mounted {
		if now, err := os.Stat(target); err == nil && os.SameFile(now, info) {
			return nil
		}
		if err := m.o.Mounter.Unmount(target); err != nil {
			return err
		}
	}
	if err := makeTarget(target, info.IsDir()); err != nil {
		return err
	}
	return m.o.Mounter.Bind("/proc/self/fd/"+strconv.Itoa(int(f.Fd())), target)
}

// makeTarget makes an empty folder or file to bind over, in place of one of the
// other kind.
func makeTarget(target string, dir bool) error {
	if info, err := os.Lstat(target); err == nil && info.IsDir() != dir {
		if err := os.Remove(target); err != nil {
			return err
		}
	}
	if dir {
		return os.MkdirAll(target, 0o750)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o750); err != nil {
		return err
	}
	return createFile(target)
}

// openBeneath opens the path only to name it. Links are followed as long as
// they stay in the volume.
func openBeneath(volume, subPath string) (*os.File, error) {
	dir, err := unix.Open(volume, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: volume, Err: err}
	}
	defer unix.Close(dir)
	fd, err := unix.Openat2(dir, subPath, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS})
	if errors.Is(err, unix.ENOSYS) {
		return openInRoot(volume, subPath)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: filepath.Join(volume, subPath), Err: err}
	}
	return os.NewFile(uintptr(fd), filepath.Join(volume, subPath)), nil
}

// openInRoot is for kernels before 5.6. It cannot name what cannot be opened
// for reading, such as sockets.
func openInRoot(volume, subPath string) (*os.File, error) {
	root, err := os.OpenRoot(volume)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.OpenFile(subPath, os.O_RDONLY|unix.O_NONBLOCK, 0)
}
