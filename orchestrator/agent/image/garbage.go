package image

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// How often the images in use are noted and the disk is looked at, and how long
// one round may take.
const (
	garbagePeriod  = 5 * time.Minute
	garbageTimeout = 2 * time.Minute
)

// Run collects garbage until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	defer m.set.Unregister()
	ticker := m.o.Clock.NewTicker(garbagePeriod)
	defer ticker.Stop()
	for {
		if err := m.Collect(ctx); err != nil && ctx.Err() == nil {
			m.o.Logger.Warn("cannot collect unused images", "err", err)
			if m.o.Node != nil {
				m.o.Events.Event(m.o.Node, corev1.EventTypeWarning, "ImageGCFailed", err.Error())
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

// Collect removes unused images, the longest unused first, when the disk is
// fuller than the high threshold, until it is down at the low one.
func (m *Manager) Collect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, garbageTimeout)
	defer cancel()
	unused, err := m.unused(ctx)
	if err != nil {
		return err
	}
	if m.o.Disk == nil {
		return nil
	}
	capacity, available, err := m.o.Disk()
	if err != nil {
		return fmt.Errorf("measure the disk of the images: %w", err)
	}
	if capacity == 0 || available > capacity {
		return fmt.Errorf("invalid capacity %d on image filesystem with %d available", capacity, available)
	}
	used := 100 - available*100/capacity
	if used < m.o.HighPercent {
		return nil
	}
	excess := int64(capacity*(100-m.o.LowPercent)/100) - int64(available)
	freed, err := m.free(ctx, unused, excess, m.o.MinAge)
	if err == nil && freed < excess {
		err = fmt.Errorf("insufficient free disk space on the node's image filesystem (%d%% of %s used). Failed to free sufficient space by deleting unused images (freed %d bytes). Consider resizing the disk or deleting unused files",
			used, resource.NewQuantity(int64(capacity), resource.BinarySI), freed)
	}
	return err
}

// DeleteUnused removes every image that no container uses, whatever its age,
// and returns how many bytes that should have freed.
func (m *Manager) DeleteUnused(ctx context.Context) (int64, error) {
	unused, err := m.unused(ctx)
	if err != nil {
		return 0, err
	}
	return m.free(ctx, unused, 1<<62, 0)
}

// candidate is an image that may go.
type candidate struct {
	id   string
	size int64
	history
}

// unused notes what is in use now and lists the rest, the longest unused first.
func (m *Manager) unused(ctx context.Context) ([]candidate, error) {
	images, err := m.o.Service.ListImages(ctx, &runtimeapi.ListImagesRequest{})
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	containers, err := m.o.Containers.ListContainers(ctx, &runtimeapi.ListContainersRequest{})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	list := m.sortOut(images.GetImages(), namesInUse(containers.GetContainers()))
	slices.SortFunc(list, func(a, b candidate) int {
		if c := a.lastUsed.Compare(b.lastUsed); c != 0 {
			return c
		}
		return a.firstSeen.Compare(b.firstSeen)
	})
	return list, nil
}

func namesInUse(containers []*runtimeapi.Container) map[string]bool {
	names := map[string]bool{}
	for _, c := range containers {
		for _, name := range []string{c.GetImageRef(), c.GetImage().GetImage(), c.GetImageId()} {
			names[name] = true
		}
	}
	delete(names, "")
	return names
}

func (m *Manager) sortOut(images []*runtimeapi.Image, inUse map[string]bool) (list []candidate) {
	now := m.o.Clock.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	present := make(map[string]*history, len(images))
	for _, i := range images {
		h := m.seen[i.GetId()]
		if h == nil {
			h = &history{firstSeen: now}
		}
		present[i.GetId()] = h
		switch {
		case isUsed(i, inUse):
			h.lastUsed = now
		case !i.GetPinned():
			list = append(list, candidate{i.GetId(), int64(i.GetSize()), *h})
		}
	}
	m.seen = present
	return list
}

func isUsed(i *runtimeapi.Image, inUse map[string]bool) bool {
	if inUse[i.GetId()] {
		return true
	}
	return slices.ContainsFunc(i.GetRepoTags(), func(s string) bool { return inUse[s] }) ||
		slices.ContainsFunc(i.GetRepoDigests(), func(s string) bool { return inUse[s] })
}

// free removes images until so many bytes should be free. The error is the last
// of those that could not be removed.
func (m *Manager) free(ctx context.Context, list []candidate, bytes int64, minAge time.Duration) (freed int64, err error) {
	now := m.o.Clock.Now()
	for _, c := range list {
		if freed >= bytes {
			break
		}
		if now.Sub(c.firstSeen) < minAge || now.Sub(c.lastUsed) < minAge {
			continue
		}
		if _, e := m.o.Service.RemoveImage(ctx, &runtimeapi.RemoveImageRequest{Image: &runtimeapi.ImageSpec{Image: c.id}}); e != nil {
			err = fmt.Errorf("remove image %s: %w", c.id, e)
			continue
		}
		freed += c.size
		m.metrics.removed.Inc()
		m.o.Logger.Info("removed an unused image", "image", c.id, "bytes", c.size)
	}
	return freed, err
}
