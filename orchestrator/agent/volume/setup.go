package volume

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/worker"
)

// path is where the volume lies.
func (p *podVolumes) path(plugin, name string) string {
	return filepath.Join(p.dir, "volumes", "kubernetes.io~"+plugin, name)
}

// setUp makes one volume. The pod's mu is held.
func (m *Manager) setUp(ctx context.Context, p *podVolumes, v *corev1.Volume) (worker.Mounted, error) {
	switch {
	case v.EmptyDir != nil:
		path := p.path("empty-dir", v.Name)
		return worker.Mounted{HostPath: path}, m.setUpEmptyDir(p, v.Name, path, v.EmptyDir)
	case v.HostPath != nil:
		return worker.Mounted{HostPath: v.HostPath.Path}, checkHostPath(v.HostPath)
	case v.PersistentVolumeClaim != nil:
		return m.setUpClaim(ctx, p.pod, v.PersistentVolumeClaim.ClaimName, v.PersistentVolumeClaim.ReadOnly, false)
	case v.Ephemeral != nil:
		return m.setUpClaim(ctx, p.pod, p.pod.Name+"-"+v.Name, false, true)
	}
	c, err := newContent(p, v)
	if err != nil {
		return worker.Mounted{}, err
	}
	return worker.Mounted{HostPath: c.path, ReadOnly: true}, m.setUpContent(ctx, p, v.Name, c)
}

func newContent(p *podVolumes, v *corev1.Volume) (contentVolume, error) {
	switch {
	case v.ConfigMap != nil:
		return contentVolume{path: p.path("configmap", v.Name), sources: fromConfigMap(v.ConfigMap), mode: v.ConfigMap.DefaultMode}, nil
	case v.Secret != nil:
		return contentVolume{path: p.path("secret", v.Name), memory: true, sources: fromSecret(v.Secret), mode: v.Secret.DefaultMode}, nil
	case v.DownwardAPI != nil:
		return contentVolume{path: p.path("downward-api", v.Name), memory: true, sources: fromDownwardAPI(v.DownwardAPI), mode: v.DownwardAPI.DefaultMode}, nil
	case v.Projected != nil:
		return contentVolume{path: p.path("projected", v.Name), memory: true, sources: v.Projected.Sources, mode: v.Projected.DefaultMode}, nil
	}
	return contentVolume{}, fmt.Errorf("this node has no volume plugin for volume %q", v.Name)
}

// setUpContent makes the folder and writes it for the first time.
func (m *Manager) setUpContent(ctx context.Context, p *podVolumes, name string, c contentVolume) error {
	files, err := m.collect(ctx, p, name, c)
	if err != nil {
		return err
	}
	if err := m.makeContentDir(p.pod, name, c); err != nil {
		return err
	}
	if err := m.write(p.pod, c, files); err != nil {
		return err
	}
	p.content[name] = c
	return nil
}

// makeContentDir makes the folder; secrets never touch a disk.
func (m *Manager) makeContentDir(pod *corev1.Pod, name string, c contentVolume) error {
	if err := makeDir(c.path); err != nil {
		return err
	}
	if c.memory {
		if err := m.mountTmpfs(c.path, 0); err != nil {
			return err
		}
	}
	return makeNested(pod, name, c.path)
}

func (m *Manager) write(pod *corev1.Pod, c contentVolume, files map[string]file) error {
	changed, err := writeAtomically(c.path, files, func() error { return own(c.path, fsGroup(pod), true) })
	if changed {
		m.metrics.writes.Inc()
	}
	return err
}

// mountTmpfs mounts one at the folder unless it is there; size 0 is no limit.
func (m *Manager) mountTmpfs(path string, size int64) error {
	if mounted, err := m.o.Mounter.IsMounted(path); err != nil || mounted {
		return err
	}
	if err := m.o.Mounter.Tmpfs(path, size); err != nil {
		return fmt.Errorf("mount tmpfs at %s: %w", path, err)
	}
	return nil
}

// makeDir makes a folder that everybody may use, whatever the umask.
func makeDir(path string) error {
	const mode = 0o777
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	if err := os.Mkdir(path, mode); err != nil {
		if os.IsExist(err) {
			return nil
		}
		return err
	}
	return os.Chmod(path, mode)
}
