package volume

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// setUpEmptyDir makes the folder, once: a marker says that it was made, so that
// what its containers have done to it since stays.
func (m *Manager) setUpEmptyDir(p *podVolumes, name, path string, s *corev1.EmptyDirVolumeSource) error {
	inMemory := s.Medium == corev1.StorageMediumMemory
	if ready, err := m.emptyDirReady(p, name, path, inMemory); ready || err != nil {
		return err
	}
	switch {
	case s.Medium == corev1.StorageMediumDefault || inMemory:
	case strings.HasPrefix(string(s.Medium), string(corev1.StorageMediumHugePages)):
		return fmt.Errorf("medium %s: huge pages storage is not supported by this node", s.Medium)
	default:
		return fmt.Errorf("unknown storage medium %q", s.Medium)
	}
	if err := makeDir(path); err != nil {
		return err
	}
	if inMemory {
		if err := m.mountTmpfs(path, m.memorySize(p.pod, s)); err != nil {
			return err
		}
	}
	if err := own(path, fsGroup(p.pod), false); err != nil {
		return err
	}
	return markReady(p.marker(name))
}

// marker is the file that says that the emptyDir was made.
func (p *podVolumes) marker(name string) string {
	return filepath.Join(p.dir, "plugins", "kubernetes.io~empty-dir", name, "ready")
}

func (m *Manager) emptyDirReady(p *podVolumes, name, path string, inMemory bool) (bool, error) {
	if _, err := os.Stat(p.marker(name)); err != nil {
		return false, nil //nolint:nilerr // then it is to be made, which tells what is wrong
	}
	if inMemory {
		return m.o.Mounter.IsMounted(path)
	}
	_, err := os.Stat(path)
	return err == nil, nil
}

func markReady(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	return os.WriteFile(path, nil, 0o640)
}

// memorySize is how much a volume in memory may hold: what the node has, what
// the pod's containers may use, and its own limit, whichever is least.
func (m *Manager) memorySize(pod *corev1.Pod, s *corev1.EmptyDirVolumeSource) int64 {
	allocatable := m.o.Host().Allocatable
	size := allocatable.Memory().Value()
	smaller := func(n int64) {
		if n > 0 && (size == 0 || n < size) {
			size = n
		}
	}
	smaller(podMemoryLimit(pod))
	if s.SizeLimit != nil {
		smaller(s.SizeLimit.Value())
	}
	return size
}

// podMemoryLimit is 0 where a container has none.
func podMemoryLimit(pod *corev1.Pod) (sum int64) {
	if r := pod.Spec.Resources; r != nil && !r.Limits.Memory().IsZero() {
		return r.Limits.Memory().Value()
	}
	for i := range pod.Spec.Containers {
		limit := pod.Spec.Containers[i].Resources.Limits.Memory()
		if limit.IsZero() {
			return 0
		}
		sum += limit.Value()
	}
	return sum
}

// EmptyDir is a volume of which the usage counts.
type EmptyDir struct {
	Name, Path string
	InMemory   bool
	// SizeLimit is in bytes, 0 for none.
	SizeLimit int64
}

// EmptyDirs lists those of the pod, whether they are made yet or not.
func (m *Manager) EmptyDirs(pod *corev1.Pod) (list []EmptyDir) {
	p := podVolumes{dir: m.PodDir(pod.UID)}
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		if v.EmptyDir == nil {
			continue
		}
		e := EmptyDir{Name: v.Name, Path: p.path("empty-dir", v.Name), InMemory: v.EmptyDir.Medium == corev1.StorageMediumMemory}
		if v.EmptyDir.SizeLimit != nil {
			e.SizeLimit = v.EmptyDir.SizeLimit.Value()
		}
		list = append(list, e)
	}
	return list
}
