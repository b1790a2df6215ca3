package eviction

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// overLimits evicts the pods that have written more than they may; done is the
// end of the last of them.
func (m *Manager) overLimits(ctx context.Context, dedicatedImageFS bool) (done <-chan struct{}, err error) {
	limited := slices.DeleteFunc(m.livePods(), func(p *corev1.Pod) bool { return !hasStorageLimit(p) })
	if len(limited) == 0 {
		return nil, nil
	}
	all, err := m.measure(ctx, limited, true)
	if err != nil {
		return nil, err
	}
	for _, u := range all {
		message, signal := overLimit(u, dedicatedImageFS)
		if message == "" {
			continue
		}
		if ended := m.evict(u.pod, signal, message, nil); ended != nil {
			done = ended
		}
	}
	return done, nil
}

// livePods are those that still run or may yet.
func (m *Manager) livePods() []*corev1.Pod {
	return slices.DeleteFunc(slices.Clone(m.o.Pods.Pods()), func(p *corev1.Pod) bool {
		return podutil.IsTerminal(p) || p.DeletionTimestamp != nil
	})
}

func hasStorageLimit(p *corev1.Pod) bool {
	for i := range p.Spec.Volumes {
		if e := p.Spec.Volumes[i].EmptyDir; e != nil && e.Medium == corev1.StorageMediumDefault && e.SizeLimit != nil && e.SizeLimit.Sign() > 0 {
			return true
		}
	}
	for i := range p.Spec.Containers {
		if !p.Spec.Containers[i].Resources.Limits.StorageEphemeral().IsZero() {
			return true
		}
	}
	return false
}

// overLimit returns an empty message for a pod within its limits.
func overLimit(u usage, dedicatedImageFS bool) (message, signal string) {
	for i := range u.pod.Spec.Volumes {
		v := &u.pod.Spec.Volumes[i]
		if v.EmptyDir != nil && exceeds(u.volumes[v.Name].bytes, v.EmptyDir.SizeLimit) {
			return fmt.Sprintf("Usage of EmptyDir volume %q exceeds the limit %q. ", v.Name, v.EmptyDir.SizeLimit), "emptydirfs.limit"
		}
	}
	if limit, ok := podutil.Limits(u.pod)[corev1.ResourceEphemeralStorage]; ok && exceeds(u.total.disk().bytes, &limit) {
		return fmt.Sprintf("Pod ephemeral local storage usage exceeds the total limit of containers %s. ", &limit), "ephemeralpodfs.limit"
	}
	for i := range u.pod.Spec.Containers {
		c := &u.pod.Spec.Containers[i]
		a := u.containers[c.Name]
		used := a.logs.bytes
		if !dedicatedImageFS {
			used += a.layer.bytes
		}
		if limit := c.Resources.Limits.StorageEphemeral(); exceeds(used, limit) {
			return fmt.Sprintf("Container %s exceeded its local ephemeral storage limit %q. ", c.Name, limit), "ephemeralcontainerfs.limit"
		}
	}
	return "", ""
}

func exceeds(used int64, limit *resource.Quantity) bool {
	return limit != nil && limit.Sign() > 0 && used > limit.Value()
}
