package eviction

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// amounts is what a container or a pod uses.
type amounts struct {
	memory int64 // working set, bytes
	layer  size  // of the writable layer
	logs   size
	empty  size // emptyDirs on disk; of pods only
}

type size struct{ bytes, inodes int64 }

func (s size) plus(t size) size { return size{s.bytes + t.bytes, s.inodes + t.inodes} }

// disk is what the node's own limits are about. The logs lie on the node's
// file system, the layer does unless images have their own.
func (a amounts) disk() size { return a.layer.plus(a.logs).plus(a.empty) }

// usage is what one pod uses.
type usage struct {
	pod        *corev1.Pod
	total      amounts
	containers map[string]amounts
	volumes    map[string]size // emptyDirs on disk
}

// labelPodUID is where runtimes keep whose container it is.
const (
	labelPodUID    = "io.kubernetes.pod.uid"
	labelContainer = "io.kubernetes.container.name"
)

// measure finds out what the pods use. The disk is walked only for withDisk.
func (m *Manager) measure(ctx context.Context, pods []*corev1.Pod, withDisk bool) ([]usage, error) {
	got, err := m.o.Runtime.ListContainerStats(ctx, &runtimeapi.ListContainerStatsRequest{})
	if err != nil {
		return nil, fmt.Errorf("measure containers: %w", err)
	}
	byPod := map[types.UID]map[string]amounts{}
	for _, s := range got.GetStats() {
		labels := s.GetAttributes().GetLabels()
		uid := types.UID(labels[labelPodUID])
		if byPod[uid] == nil {
			byPod[uid] = map[string]amounts{}
		}
		a := byPod[uid][labels[labelContainer]]
		a.memory += int64(s.GetMemory().GetWorkingSetBytes().GetValue())
		a.layer = a.layer.plus(size{int64(s.GetWritableLayer().GetUsedBytes().GetValue()), int64(s.GetWritableLayer().GetInodesUsed().GetValue())})
		byPod[uid][labels[labelContainer]] = a
	}
	list := make([]usage, 0, len(pods))
	for _, p := range pods {
		list = append(list, m.usageOf(p, byPod[p.UID], withDisk))
	}
	return list, nil
}

func (m *Manager) usageOf(pod *corev1.Pod, containers map[string]amounts, withDisk bool) usage {
	u := usage{pod: pod, containers: containers, volumes: map[string]size{}}
	if withDisk {
		m.walk(&u)
	}
	for _, a := range u.containers {
		u.total.memory += a.memory
		u.total.layer = u.total.layer.plus(a.layer)
		u.total.logs = u.total.logs.plus(a.logs)
	}
	return u
}

func (m *Manager) walk(u *usage) {
	logs := m.o.Pods.LogDirectory(u.pod)
	for name, a := range u.containers {
		a.logs = sizeBelow(filepath.Join(logs, name))
		u.containers[name] = a
	}
	for _, e := range m.o.Volumes.EmptyDirs(u.pod) {
		if e.InMemory {
			continue
		}
		s := sizeBelow(e.Path)
		u.volumes[e.Name] = s
		u.total.empty = u.total.empty.plus(s)
	}
}

// sizeBelow adds up what a folder occupies. What disappears meanwhile, or is
// not there, counts as nothing; a file with several names counts once.
func sizeBelow(root string) (s size) {
	seen := map[uint64]bool{}
	_ = filepath.WalkDir(root, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // see above
		}
		info, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // see above
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		linked := ok && st.Nlink > 1 && !d.IsDir()
		if !ok || linked && seen[st.Ino] {
			return nil
		}
		if linked {
			seen[st.Ino] = true
		}
		s.bytes += st.Blocks * 512
		s.inodes++
		return nil
	})
	return s
}
