package network

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/collector/cgroup"
)

// How often what is known is looked at again.
const (
	learnEvery   = time.Minute
	detailsEvery = 10 * time.Second
	retryAfter   = 5 * time.Second
)

// nextLook is when to look again at what was first seen at since: a container is
// made step by step, its namespace and interfaces too, so at first after a
// second, then after twice the time each, and in the end once in learnEvery.
func nextLook(since, now time.Time) time.Time {
	return now.Add(min(max(now.Sub(since), time.Second), learnEvery))
}

// learn brings up to date what is due. It belongs to Run's goroutine.
func (n *Network) learn(ctx context.Context, now time.Time) {
	n.learnMachine(now)
	for _, m := range n.due(now) {
		if ctx.Err() != nil {
			return
		}
		if err := n.learnMember(m, now); err != nil {
			n.metrics.failures.Inc()
			n.logger.Debug("cannot find out a container's network", "id", m.id, "error", err)
			n.mu.Lock()
			m.retryAt = now.Add(retryAfter)
			n.mu.Unlock()
		}
	}
}

// due lists the containers to look at: those whose namespace is not known or may
// change yet, and the owners of the namespaces to look at again.
func (n *Network) due(now time.Time) (due []*member) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range n.members {
		if now.Before(m.retryAt) {
			continue
		}
		s := m.space
		young := !m.checkAt.IsZero() && !now.Before(m.checkAt)
		if s == nil || young || s.owner == m && (!now.Before(s.learnAt) || !now.Before(s.detailsAt)) {
			due = append(due, m)
		}
	}
	slices.SortFunc(due, func(a, b *member) int { return int(a.order) - int(b.order) })
	return due
}

// learnMember finds the namespace of a container and what is in it.
func (n *Network) learnMember(m *member, now time.Time) error {
	pid, inode, err := n.namespaceOf(m)
	if err != nil {
		return err
	}
	n.mu.Lock()
	if n.members[m.id] != m {
		n.mu.Unlock()
		return nil // forgotten meanwhile
	}
	m.pid = pid
	s := n.join(m, inode, now)
	if m.checkAt = nextLook(m.since, now); now.Sub(m.since) > learnEvery {
		m.checkAt = time.Time{}
	}
	mine := s.owner == m
	learn, details := !now.Before(s.learnAt), !now.Before(s.detailsAt)
	n.mu.Unlock()
	switch {
	case !mine || inode == n.machine && n.counters != nil:
		return nil
	case learn:
		return n.learnSpace(s, pid, now)
	case details:
		return n.learnDetails(s, pid, now)
	}
	return nil
}

// namespaceOf finds a living process of a container and its namespace.
func (n *Network) namespaceOf(m *member) (pid int, inode uint64, err error) {
	if m.id == cgroup.Root {
		return 1, n.machine, nil // its link may be closed to us, its net/dev is not
	}
	n.mu.Lock()
	pid = m.pid
	n.mu.Unlock()
	if pid != 0 {
		if inode, err = inodeOf(n.procPath(pid, "ns/net")); err == nil {
			return pid, inode, nil
		}
	}
	if n.options.Process != nil {
		if other, ok := n.options.Process(m.id); ok {
			inode, err = inodeOf(n.procPath(other, "ns/net"))
			return other, inode, err
		}
	}
	if err == nil {
		err = errNoProcess
	}
	return 0, 0, err
}

// learnSpace finds out the pairs of a namespace, or opens its own file.
func (n *Network) learnSpace(s *space, pid int, now time.Time) error {
	var links []link
	paired := false
	if n.pairing {
		var err error
		if links, paired, err = pairs(n.procPath(pid, "ns/net"), s.inode); err != nil {
			n.logger.Debug("cannot look into a network namespace", "pid", pid, "error", err)
		}
	}
	file := -1
	if !paired {
		var err error
		if file, err = unix.Open(n.procPath(pid, "net/dev"), unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return fmt.Errorf("process %d: open net/dev: %w", pid, err)
		}
	}
	if paired {
		_ = n.readDetails(links, pid) // they stay 0 until the next time
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.spaces[s.inode] != s { // all its containers went away
		if file >= 0 {
			_ = unix.Close(file)
		}
		return nil
	}
	s.close()
	s.file, s.links = file, links
	s.learnAt, s.detailsAt = nextLook(s.since, now), now.Add(detailsEvery)
	n.count()
	return nil
}

// count brings the metrics up to date. mu is held.
func (n *Network) count() {
	byFile := 0
	for _, s := range n.spaces {
		if s.file >= 0 {
			byFile++
		}
	}
	n.metrics.byFile.Set(float64(byFile))
}

// learnDetails reads again what the far ends do not count.
func (n *Network) learnDetails(s *space, pid int, now time.Time) error {
	n.mu.Lock()
	links, paired := slices.Clone(s.links), s.file < 0
	n.mu.Unlock()
	var err error
	if paired {
		err = n.readDetails(links, pid)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.spaces[s.inode] == s && s.file < 0 {
		s.links = links
	}
	s.detailsAt = now.Add(detailsEvery)
	return err
}

// readDetails reads errors and drops of the links.
func (n *Network) readDetails(links []link, pid int) error {
	text, err := os.ReadFile(n.procPath(pid, "net/dev"))
	for _, io := range appendNetDev(text, map[string]string{}, nil) {
		for i := range links {
			if links[i].name == io.Interface {
				links[i].details = io
			}
		}
	}
	return err
}

// pairs looks into a namespace. paired is true when all interfaces that can have
// traffic have their other end in this namespace.
func pairs(path string, inode uint64) (links []link, paired bool, err error) {
	ns, err := netns.GetFromPath(path)
	if err != nil {
		return nil, false, fmt.Errorf("open %s: %w", path, err)
	}
	defer ns.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(ns), &st); err != nil || st.Ino != inode {
		return nil, false, fmt.Errorf("%s is another namespace now", path)
	}
	inside, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, false, fmt.Errorf("enter %s: %w", path, err)
	}
	defer inside.Close()
	all, err := inside.LinkList()
	if err != nil {
		return nil, false, fmt.Errorf("interfaces of %s: %w", path, err)
	}
	outside, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, false, fmt.Errorf("netlink: %w", err)
	}
	defer outside.Close()
	id, err := outside.GetNetNsIdByFd(int(ns))
	if err != nil {
		id = -1 // it has no id here, so it has no pair here
	}
	for _, l := range all {
		if l.Attrs().Name == "lo" {
			continue
		}
		far := farEnd(outside, l, id)
		if far == 0 && l.Attrs().RawFlags&unix.IFF_UP != 0 {
			return nil, false, nil
		}
		links = append(links, link{name: l.Attrs().Name, far: far})
	}
	return links, true, nil
}

// farEnd is the index of the other end of a container's interface, when both
// ends name each other and the other end names the container's namespace.
func farEnd(outside *netlink.Handle, l netlink.Link, namespace int) int {
	near := l.Attrs()
	if l.Type() != "veth" || near.ParentIndex == 0 || namespace < 0 {
		return 0
	}
	other, err := outside.LinkByIndex(near.ParentIndex)
	if err != nil || other.Type() != "veth" {
		return 0
	}
	if a := other.Attrs(); a.ParentIndex != near.Index || a.NetNsID != namespace {
		return 0
	}
	return near.ParentIndex
}

// learnMachine lists the machine's own interfaces when there are others than
// before, and once a minute for their names.
func (n *Network) learnMachine(now time.Time) {
	n.mu.Lock()
	age := now.Sub(n.hostsAt)
	skip := n.counters == nil || age < time.Second || age < learnEvery && len(n.counters.links) == n.known
	if !skip {
		n.known, n.hostsAt = len(n.counters.links), now
	}
	n.mu.Unlock()
	if skip {
		return
	}
	all, err := netlink.LinkList()
	if err != nil {
		n.metrics.failures.Inc()
		return
	}
	var hosts []hostLink
	for _, l := range all {
		if !hiddenName(l.Attrs().Name) && l.Type() != "veth" && l.Type() != "bridge" {
			hosts = append(hosts, hostLink{l.Attrs().Index, l.Attrs().Name})
		}
	}
	n.mu.Lock()
	n.hosts = hosts
	n.mu.Unlock()
}

// hiddenName says that an interface of the machine repeats the traffic of
// another: the far ends of containers and the bridges of runtimes. These are the
// names that cAdvisor leaves out.
func hiddenName(name string) bool {
	return name == "lo" || strings.HasPrefix(name, "veth") || strings.HasPrefix(name, "docker") || strings.HasPrefix(name, "nerdctl")
}
