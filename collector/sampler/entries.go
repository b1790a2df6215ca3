package sampler

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/lubberline/lubberline/collector/cgroup"
	"github.com/lubberline/lubberline/collector/reading"
)

// event applies what the source found.
func (s *Sampler) event(ctx context.Context, e cgroup.Event) {
	switch e.Kind {
	case cgroup.Created:
		s.add(ctx, e)
	case cgroup.Removed:
		if old, ok := s.byID[e.ID]; ok {
			s.remove(old)
		}
	case cgroup.Walked:
		s.walked = true
	}
}

func (s *Sampler) add(ctx context.Context, e cgroup.Event) {
	if old, ok := s.byID[e.ID]; ok {
		s.remove(old)
	}
	reader, err := s.options.Groups.Open(e.ID)
	if err != nil {
		if !errors.Is(err, cgroup.ErrGone) {
			s.metrics.readErrors.Inc()
			s.logger.Warn("cannot open a cgroup", "id", e.ID, "error", err)
		}
		return
	}
	life, cancel := context.WithCancel(ctx)
	n := &entry{container: &reading.Container{ID: e.ID, Created: e.Made}, reader: reader, cancel: cancel}
	i, _ := s.find(e.ID)
	s.entries = slices.Insert(s.entries, i, n)
	s.byID[e.ID] = n
	s.metrics.containers.Set(float64(len(s.entries)))
	if e.ID == cgroup.Root {
		s.trackRoot()
		return
	}
	s.resolving.start(life, n.container, s.updates)
}

// trackRoot counts the machine's own interfaces and filesystems.
func (s *Sampler) trackRoot() {
	if s.options.Network != nil {
		s.options.Network.Track(cgroup.Root, 1, false)
	}
	if s.options.Filesystems != nil {
		s.options.Filesystems.Track(cgroup.Root, "/", "")
	}
}

func (s *Sampler) find(id string) (int, bool) {
	return slices.BinarySearchFunc(s.entries, id, func(e *entry, id string) int {
		return strings.Compare(e.container.ID, id)
	})
}

// remove forgets a container. Its last sample goes to the subscribers with the
// next tick.
func (s *Sampler) remove(e *entry) {
	id := e.container.ID
	e.cancel()
	e.reader.Close()
	delete(s.byID, id)
	if i, ok := s.find(id); ok {
		s.entries = slices.Delete(s.entries, i, i+1)
	}
	s.gone = append(s.gone, e.container)
	s.metrics.containers.Set(float64(len(s.entries)))
	if s.options.Network != nil {
		s.options.Network.Forget(id)
	}
	if s.options.Filesystems != nil {
		s.options.Filesystems.Forget(id)
	}
}

// update takes over what became known of a container.
func (s *Sampler) update(u update) {
	e, ok := s.byID[u.id]
	if !ok || u.container != nil && u.container != e.container {
		return // it went away meanwhile
	}
	s.mu.Lock()
	e.container.Identity = u.identity
	s.mu.Unlock()
	if u.identity == nil || u.identity.Runtime == "" {
		return
	}
	if s.options.Network != nil && u.identity.ContainerID != "" {
		s.options.Network.Track(u.id, u.identity.PID, u.identity.Sandbox)
	}
	if s.options.Filesystems != nil && (u.identity.RootDir != "" || u.identity.LogPath != "") {
		s.options.Filesystems.Track(u.id, u.identity.RootDir, u.identity.LogPath)
	}
}
