package volume

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// refreshTimeout bounds how long one pod may keep the others waiting.
const refreshTimeout = 30 * time.Second

// refreshPod writes the pod's contents again where their sources say something
// else. What cannot be read leaves the volume as it is, and is tried again.
func (m *Manager) refreshPod(ctx context.Context, uid types.UID) {
	p := m.known(uid)
	if p == nil {
		m.refresh.Forget(uid)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		m.refresh.Forget(uid)
		return
	}
	m.takeNewest(p)
	var failed error
	for name, c := range p.content {
		if err := m.rewrite(ctx, p, name, c); err != nil {
			failed = fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", name, err)
		}
	}
	if failed == nil {
		m.refresh.Forget(uid)
		return
	}
	if ctx.Err() == nil {
		m.o.Events.Event(p.pod, corev1.EventTypeWarning, "FailedMount", failed.Error())
	}
	m.o.Logger.Warn("cannot bring a volume up to date", "namespace", p.pod.Namespace, "pod", p.pod.Name, "err", failed)
	m.metrics.failures.Inc()
	m.refresh.AddRateLimited(uid)
}

func (m *Manager) rewrite(ctx context.Context, p *podVolumes, name string, c contentVolume) error {
	files, err := m.collect(ctx, p, name, c)
	if err != nil {
		return err
	}
	return m.write(p.pod, c, files)
}
