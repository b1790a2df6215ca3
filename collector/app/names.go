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
	pods *podLogs
	log  *slog.Logger

	tick  uint64
	known map[string]*named // by cgroup id; only the observing goroutine's

	mu         sync.Mutex
	containers map[string]*container // by container id
}

// named is a cgroup whose container is known.
type named struct {
	identity *reading.Identity
	seen     uint64
}

// container is what all cgroups of a container have in common: there can be
// several, below each other, and after a restart the old and the new.
type container struct {
	source  *logrecord.Source
	cgroups int // how many are known
	tailed  bool
}

// newNames makes them; podLogs is the folder of pods' log files, or empty.
func newNames(node string, t tail, podLogs string, log *slog.Logger) *names {
	return &names{node: node, tail: t, pods: newPodLogs(podLogs, node, t), log: log, known: map[string]*named{}, containers: map[string]*container{}}
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
			n.change(k, c.Identity)
		}
	}
	for id, k := range n.known {
		if k.seen != n.tick {
			delete(n.known, id)
			n.release(k.identity.ContainerID)
		}
	}
	n.pods.observe(o.time)
}

// change gives a cgroup its identity, or another one.
func (n *names) change(k *named, identity *reading.Identity) {
	source := sourceOf(n.node, identity)
	n.mu.Lock()
	c := n.containers[identity.ContainerID]
	if c == nil {
		c = &container{}
		n.containers[identity.ContainerID] = c
	}
	c.source = source
	c.cgroups++
	n.mu.Unlock()
	n.follow(c, identity)
	if k.identity != nil {
		n.release(k.identity.ContainerID)
	}
	k.identity = identity
}

// follow has a container's log file read, or what is known of it renewed.
func (n *names) follow(c *container, identity *reading.Identity) {
	if n.tail == nil || identity.LogPath == "" || identity.Sandbox {
		return
	}
	id, ofPod := n.pods.take(identity.LogPath)
	if !ofPod {
		id = identity.ContainerID
	}
	err := n.tail.Add(logs.Source{
		ID: id, Path: identity.LogPath, Format: identity.LogFormat, Tag: tagOf(c.source), Meta: *c.source,
	})
	if err != nil {
		n.log.Warn("the log of a container cannot be read", "container", identity.Name, "file", identity.LogPath, "error", err)
		return
	}
	c.tailed = !ofPod // a pod's file goes on being read until it is gone
}

// release takes a cgroup from a container, which is gone with its last one.
func (n *names) release(containerID string) {
	n.mu.Lock()
	c := n.containers[containerID]
	c.cgroups--
	gone := c.cgroups == 0
	if gone {
		delete(n.containers, containerID)
	}
	n.mu.Unlock()
	if gone && c.tailed {
		n.tail.Remove(containerID)
	}
}

// Lookup says where the records of a container come from; nil when it is not
// known. Docker's log driver knows no more than the id.
func (n *names) Lookup(containerID string) *logrecord.Source {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.containers[containerID]; c != nil {
		return c.source
	}
	return nil
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
