package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/collector/cgroup"
	"github.com/lubberline/lubberline/collector/reading"
)

// Options say where to look.
type Options struct {
	// Proc is "/proc" when empty.
	Proc string
	// Process finds a process of a container when none was given or the one given
	// has ended. It may be nil.
	Process func(id string) (pid int, ok bool)
	// PerNamespace reads each namespace from its own file always, as where the
	// kernel has no RTM_GETSTATS.
	PerNamespace bool
	Logger       *slog.Logger
	Registerer   prometheus.Registerer
}

// Network is the traffic of the tracked containers. Run finds out what belongs
// together; Refresh and Read are the sampler's.
type Network struct {
	options Options
	logger  *slog.Logger
	metrics *metrics
	machine uint64 // inode of the machine's namespace
	pairing bool   // this process is in the machine's namespace, and may pair
	wake    chan struct{}

	// mu guards all below. It is not held over system calls, but for Refresh and
	// the reading of a namespace's own file.
	mu       sync.Mutex
	counters *counters // nil where they are not to be had
	members  map[string]*member
	spaces   map[uint64]*space
	order    uint64
	hosts    []hostLink // the machine's own interfaces, by index
	known    int        // interfaces that were there when hosts was made
	hostsAt  time.Time
	buffer   []byte
}

// member is a container being tracked.
type member struct {
	id      string
	pid     int
	sandbox bool
	order   uint64 // of being tracked
	space   *space // nil until found
	since   time.Time
	retryAt time.Time
	// checkAt is when to look again whether a young container is in another
	// namespace by now; zero when it is not young any more.
	checkAt time.Time
}

// space is a network namespace with containers in it.
type space struct {
	inode uint64
	since time.Time // when it was first seen
	links []link
	// file is the open net/dev of a namespace that is read by itself; -1 of one
	// whose interfaces are paired.
	file      int
	names     map[string]string // spares an allocation for each name read
	owner     *member
	members   []*member
	learnAt   time.Time // when to find out the pairs again
	detailsAt time.Time // when to read errors and drops again
}

// link is an interface in a container's namespace.
type link struct {
	name string
	far  int // index of the other end in the machine's namespace; 0: none
	// details hold what the other end does not count: errors and drops, or
	// everything of an interface that is down and has no other end.
	details reading.NetIO
}

// hostLink is an interface of the machine.
type hostLink struct {
	index int
	name  string
}

// New opens the machine's counters. Where the kernel does not give them, or this
// process is not in the machine's namespace, each namespace is read by itself.
func New(o Options) (*Network, error) {
	if o.Proc == "" {
		o.Proc = "/proc"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	n := &Network{options: o, logger: o.Logger, metrics: m, wake: make(chan struct{}, 1),
		members: map[string]*member{}, spaces: map[uint64]*space{}, buffer: make([]byte, 32<<10)}
	own, err := inodeOf(filepath.Join(o.Proc, "self/ns/net"))
	if err != nil {
		return nil, fmt.Errorf("find the network namespace: %w", err)
	}
	n.machine = own
	if first, err := inodeOf(filepath.Join(o.Proc, "1/ns/net")); err == nil {
		n.machine = first
	}
	if o.PerNamespace {
		return n, nil
	}
	if own != n.machine {
		o.Logger.Info("not in the machine's network namespace, reading each container's by itself")
		return n, nil
	}
	n.open()
	return n, nil
}

// open tries whether the kernel gives the counters of all interfaces.
func (n *Network) open() {
	c, err := openCounters()
	if err == nil {
		if err = c.refresh(); err == nil {
			n.counters, n.pairing = c, true
			return
		}
		c.close()
	}
	n.logger.Info("the kernel does not give the counters of all interfaces at once, reading each namespace by itself", "error", err)
}

// Close gives the files back. Run must have ended.
func (n *Network) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.counters != nil {
		n.counters.close()
		n.counters = nil
	}
	for _, s := range n.spaces {
		s.close()
	}
	clear(n.spaces)
	clear(n.members)
}

// Track starts to count a container.
func (n *Network) Track(id string, pid int, sandbox bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m, ok := n.members[id]
	if !ok {
		n.order++
		m = &member{id: id, order: n.order, since: time.Now()}
		n.members[id] = m
	}
	if pid != 0 && pid != m.pid {
		m.pid, m.retryAt = pid, time.Time{}
	}
	if m.sandbox = m.sandbox || sandbox || id == cgroup.Root; m.space != nil {
		m.space.elect()
	}
	n.signal()
}

// Forget ends it.
func (n *Network) Forget(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if m, ok := n.members[id]; ok {
		n.leave(m)
		delete(n.members, id)
	}
}

// signal makes Run look at once.
func (n *Network) signal() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// join puts a container into a namespace. mu is held.
func (n *Network) join(m *member, inode uint64, now time.Time) *space {
	if m.space != nil && m.space.inode == inode {
		return m.space
	}
	n.leave(m)
	s, ok := n.spaces[inode]
	if !ok {
		s = &space{inode: inode, since: now, file: -1, names: map[string]string{}}
		n.spaces[inode] = s
	}
	m.space, s.members = s, append(s.members, m)
	s.elect()
	n.metrics.namespaces.Set(float64(len(n.spaces)))
	return s
}

// leave takes a container out of its namespace. mu is held.
func (n *Network) leave(m *member) {
	s := m.space
	if s == nil {
		return
	}
	m.space = nil
	s.members = slices.DeleteFunc(s.members, func(other *member) bool { return other == m })
	s.elect()
	if len(s.members) == 0 {
		s.close()
		delete(n.spaces, s.inode)
	}
	n.metrics.namespaces.Set(float64(len(n.spaces)))
}

// elect decides whose the traffic is.
func (s *space) elect() {
	s.owner = nil
	for _, m := range s.members {
		o := s.owner
		if o == nil || m.sandbox && !o.sandbox || m.sandbox == o.sandbox && m.order < o.order {
			s.owner = m
		}
	}
}

func (s *space) close() {
	if s.file >= 0 {
		_ = unix.Close(s.file)
		s.file = -1
	}
}

// Refresh takes the counters of all interfaces.
func (n *Network) Refresh() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.counters == nil {
		return nil
	}
	err := n.counters.refresh()
	if err != nil {
		n.metrics.failures.Inc()
		clear(n.counters.links)
	} else if len(n.counters.links) != n.known {
		n.signal()
	}
	n.metrics.interfaces.Set(float64(len(n.counters.links)))
	return err
}

// Read appends the interfaces of a container to dst: what was counted at the
// last Refresh. It appends nothing for a container that shares the namespace of
// another, or whose interfaces are not known yet.
func (n *Network) Read(id string, dst []reading.NetIO) []reading.NetIO {
	n.mu.Lock()
	defer n.mu.Unlock()
	m, ok := n.members[id]
	switch {
	case !ok || m.space == nil || m.space.owner != m && id != cgroup.Root:
		return dst
	case m.space.inode == n.machine:
		if id == cgroup.Root {
			return n.readMachine(m.space, dst)
		}
		return dst
	case m.space.file >= 0:
		return n.readFile(m.space, dst)
	}
	return n.readPairs(m.space, dst)
}

// readPairs exchanges what the far ends received and transmitted.
func (n *Network) readPairs(s *space, dst []reading.NetIO) []reading.NetIO {
	for i := range s.links {
		l := &s.links[i]
		io := l.details
		io.Interface = l.name
		if l.far != 0 {
			far, ok := n.counters.links[l.far]
			if !ok {
				s.learnAt = time.Time{} // the pair is gone
				continue
			}
			io.RxBytes, io.RxPackets = far.TxBytes, far.TxPackets
			io.TxBytes, io.TxPackets = far.RxBytes, far.RxPackets
		}
		dst = append(dst, io)
	}
	return dst
}

// readFile reads a namespace's own net/dev.
func (n *Network) readFile(s *space, dst []reading.NetIO) []reading.NetIO {
	size, err := unix.Pread(s.file, n.buffer, 0)
	if err != nil {
		n.metrics.failures.Inc()
		s.close()
		s.learnAt = time.Time{}
		return dst
	}
	return appendNetDev(n.buffer[:size], s.names, dst)
}

// readMachine is the machine's own interfaces.
func (n *Network) readMachine(s *space, dst []reading.NetIO) []reading.NetIO {
	if n.counters == nil {
		if s.file < 0 {
			return dst
		}
		start := len(dst)
		dst = n.readFile(s, dst)
		kept := slices.DeleteFunc(dst[start:], func(io reading.NetIO) bool { return hiddenName(io.Interface) })
		return dst[:start+len(kept)]
	}
	for _, h := range n.hosts {
		if io, ok := n.counters.links[h.index]; ok {
			io.Interface = h.name
			dst = append(dst, io)
		}
	}
	return dst
}

func inodeOf(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return st.Ino, nil
}

func (n *Network) procPath(pid int, name string) string {
	return filepath.Join(n.options.Proc, strconv.Itoa(pid), name)
}

// Run finds out which namespace each container is in and how its interfaces are
// paired, until ctx ends. It returns ctx's error.
func (n *Network) Run(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		n.learn(ctx, time.Now())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		case <-n.wake:
		}
	}
}

var errNoProcess = errors.New("no process in the container")
