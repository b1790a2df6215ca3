package volume

import (
	"context"
	"fmt"
	"os"
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// Unmount takes away everything of the pod. It needs nothing but the disk and
// the mount table, so it also serves pods of before a restart.
func (m *Manager) Unmount(_ context.Context, uid types.UID) error {
	if p := m.known(uid); p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.gone = true
	}
	m.o.Objects.Unregister(uid)
	dir := m.PodDir(uid)
	if err := m.unmountBelow(dir); err != nil {
		m.metrics.failures.Inc()
		return fmt.Errorf("UnmountVolume.TearDown failed for pod %s: %w", uid, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove the pod's folder: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pods, uid)
	return nil
}

// unmountBelow leaves nothing mounted, or an error: removing the folder would
// otherwise remove what is mounted there.
func (m *Manager) unmountBelow(dir string) error {
	points, err := m.o.Mounter.Below(dir)
	if err != nil {
		return err
	}
	for _, point := range slices.Backward(points) {
		if err := m.o.Mounter.Unmount(point); err != nil {
			return err
		}
	}
	left, err := m.o.Mounter.Below(dir)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%s is still mounted", left[0])
	}
	return err
}
