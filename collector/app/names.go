package app

import (
	"log/slog"
	"sync"

	"github.com/lubberline/lubberline/collector/logs"
	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/logrecord"
)

// tail takes the log files of containers; *logs.Tailer does.
type tail interface {
	Add(logs.Source) error
	Remove(id string)
}

// names follows the containers' identities: it tells the tailer which log files
// there are, and knows where a container's records come from.
type names struct {
	node string
	tail tail // nil when containers' files are not read
	log  *slog.Logger

	tick  uint64
	known map[string]*named // by cgroup id; only the observing goroutine's

	mu      sync.Mutex
	sources map[string]*logrecord.Source // by container id
}

type named struct {
	identity *reading.Identity
	tailed   bool
	seen     uint64
}

func newNames(node string, t tail, log *slog.Logger) *names {
	return &names{node: node, tail: t, log: log, known: map[string]*named{}, sources: map[string]*logrecord.Source{}}
}

// observe takes note of new identities and of containers that are gone.
func (n *names) observe(o observation) {
	n.tick++
	for _, c := range o.containers {
		if c.Identity == nil || c.Identity.ContainerID == "" {
			continue
		}
		k := n.known[c.ID]
		if k == nil {
			k = &named{}
			n.known[c.ID] = k
		}
		k.seen = n.tick
		if k.identity != c.Identity {
			n.change(c.ID, k, c.Identity)
		}
	}
	for id, k := range n.known {
		if k.seen != n.tick {
			n.forget(id, k)
		}
	}
}

func (n *names) change(id string, k *named, identity *reading.Identity) {
	k.identity = identity
	source := sourceOf(n.node, identity)
	n.mu.Lock()
	n.sources[identity.ContainerID] = source
	n.mu.Unlock()
	if n.tail == nil || identity.LogPath == "" || identity.Sandbox {
		return
	}
	err := n.tail.Add(logs.Source{
		ID: identity.ContainerID, Path: identity.LogPath, Format: identity.LogFormat, Tag: tagOf(source), Meta: *source,
	})
	if err != nil {
		n.log.Warn("the log of a container cannot be read", "container", identity.Name, "file", identity.LogPath, "error", err)
		return
	}
	k.tailed = true
}

func (n *names) forget(id string, k *named) {
	delete(n.known, id)
	n.mu.Lock()
	delete(n.sources, k.identity.ContainerID)
	n.mu.Unlock()
	if k.tailed {
		n.tail.Remove(k.identity.ContainerID)
	}
}

// Lookup says where the records of a container come from; nil when it is not
// known. Docker's log driver knows no more than the id.
func (n *names) Lookup(containerID string) *logrecord.Source {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sources[containerID]
}

func sourceOf(node string, i *reading.Identity) *logrecord.Source {
	return &logrecord.Source{
		Namespace: i.Namespace, Pod: i.Pod, PodUID: i.PodUID, Container: i.Container,
		ContainerID: i.ContainerID, Image: i.Image, Host: node, Labels: i.Labels,
	}
}

func tagOf(s *logrecord.Source) string {
	return "kubernetes." + s.Namespace + "." + s.Pod + "." + s.Container
}
