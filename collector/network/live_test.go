package network

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/collector/reading"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// needRoot skips where the test cannot work, unless the run demands it.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() == 0 {
		return
	}
	require.Empty(t, os.Getenv("LUBBERLINE_REAL"), "LUBBERLINE_REAL is set, and this test needs root")
	t.Skip("needs root to make network namespaces")
}

// sleeper starts a process in a network namespace of its own.
func sleeper(t *testing.T, flags uintptr) int {
	t.Helper()
	c := exec.Command("sleep", "1000")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return c.Process.Pid
}

// connect gives a process's namespace an eth0 with the address 10.213.<n>.2, and
// this one its other end with 10.213.<n>.1.
func connect(t *testing.T, pid, n int) {
	t.Helper()
	name := fmt.Sprintf("lbt%d-%d", n, pid%10000)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	require.NoError(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: name + "p"}))
	t.Cleanup(func() {
		if l, err := netlink.LinkByName(name); err == nil {
			_ = netlink.LinkDel(l)
		}
	})
	near, err := netlink.LinkByName(name + "p")
	require.NoError(t, err)
	require.NoError(t, netlink.LinkSetNsPid(near, pid))
	inside := enter(t, pid)
	near, err = inside.LinkByName(name + "p")
	require.NoError(t, err)
	require.NoError(t, inside.LinkSetName(near, "eth0"))
	up(t, inside, near, fmt.Sprintf("10.213.%d.2/24", n))
	far, err := netlink.LinkByName(name)
	require.NoError(t, err)
	outside, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	require.NoError(t, err)
	defer outside.Close()
	up(t, outside, far, fmt.Sprintf("10.213.%d.1/24", n))
}

func enter(t *testing.T, pid int) *netlink.Handle {
	t.Helper()
	ns, err := netns.GetFromPid(pid)
	require.NoError(t, err)
	defer ns.Close()
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	require.NoError(t, err)
	t.Cleanup(h.Close)
	return h
}

func up(t *testing.T, h *netlink.Handle, l netlink.Link, address string) {
	t.Helper()
	a, err := netlink.ParseAddr(address)
	require.NoError(t, err)
	require.NoError(t, h.AddrAdd(l, a))
	require.NoError(t, h.LinkSetUp(l))
}

// send sends some datagrams into the namespace; nobody listens there, so each
// comes back as a refusal.
func send(t *testing.T, pid, n, datagrams int) {
	t.Helper()
	before := inside(t, pid)[0].RxBytes
	for range datagrams {
		c, err := net.Dial("udp", fmt.Sprintf("10.213.%d.2:9", n))
		require.NoError(t, err)
		_, _ = c.Write(make([]byte, 1000)) // refused after the first
		require.NoError(t, c.Close())
	}
	require.Eventually(t, func() bool {
		return inside(t, pid)[0].RxBytes > before+uint64(datagrams)*1000
	}, 10*time.Second, time.Millisecond)
}

// inside is what the namespace itself says of its interfaces.
func inside(t *testing.T, pid int) []reading.NetIO {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/net/dev")
	require.NoError(t, err)
	return appendNetDev(text, map[string]string{}, nil)
}

func run(t *testing.T, o Options) *Network {
	t.Helper()
	n, err := New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		n.Close()
	})
	return n
}

// figures are a container's at a Refresh, with what it itself says before and
// after equal, so that nothing moved in between.
func figures(t *testing.T, n *Network, id string, pid int) (ours, its []reading.NetIO) {
	t.Helper()
	require.Eventually(t, func() bool {
		its = inside(t, pid)
		require.NoError(t, n.Refresh())
		ours = n.Read(id, nil)
		return len(ours) > 0 && fmt.Sprint(its) == fmt.Sprint(inside(t, pid))
	}, 10*time.Second, 10*time.Millisecond)
	return ours, its
}

func TestPairedInterfaces(t *testing.T) {
	needRoot(t)
	pid := sleeper(t, syscall.CLONE_NEWNET)
	connect(t, pid, 1)
	for name, o := range map[string]Options{"one dump": {}, "by namespace": {PerNamespace: true}} {
		t.Run(name, func(t *testing.T) {
			n := run(t, o)
			n.Track("/docker/a", pid, false)
			send(t, pid, 1, 50)
			ours, its := figures(t, n, "/docker/a", pid)
			require.Equal(t, its, ours, "rx and tx are the container's")
			require.Equal(t, "eth0", ours[0].Interface)
			require.Greater(t, ours[0].RxBytes, uint64(50*1000))
			n.mu.Lock()
			byFile := n.members["/docker/a"].space.file >= 0
			n.mu.Unlock()
			require.Equal(t, o.PerNamespace, byFile)

			before := ours[0].RxBytes
			send(t, pid, 1, 50)
			ours, its = figures(t, n, "/docker/a", pid)
			require.Equal(t, its, ours)
			require.Greater(t, ours[0].RxBytes, before+50*1000)

			dst := make([]reading.NetIO, 0, 16)
			require.Zero(t, testing.AllocsPerRun(50, func() {
				_ = n.Refresh()
				dst = n.Read("/docker/a", dst[:0])
			}))
		})
	}
}

// TestContainersAreMadeStepByStep: interfaces come after the namespace, and the
// namespace after the process.
func TestContainersAreMadeStepByStep(t *testing.T) {
	needRoot(t)
	early := sleeper(t, syscall.CLONE_NEWNET)
	c := exec.Command("sh", "-c", "read go; exec unshare --net sleep 1000")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := c.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	late := c.Process.Pid
	n := run(t, Options{})
	n.Track("/early", early, true)
	n.Track("/late", late, true)
	require.Eventually(t, func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.members["/early"].space != nil && n.members["/late"].space != nil
	}, 10*time.Second, time.Millisecond)
	connect(t, early, 3)
	figures(t, n, "/early", early)

	before, err := inodeOf("/proc/self/ns/net")
	require.NoError(t, err)
	_, err = in.Write([]byte("\n"))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		now, err := inodeOf(fmt.Sprintf("/proc/%d/ns/net", late))
		return err == nil && now != before
	}, 10*time.Second, time.Millisecond)
	connect(t, late, 4)
	figures(t, n, "/late", late)
}

func TestSharedNamespaceBelongsToTheSandbox(t *testing.T) {
	needRoot(t)
	pid := sleeper(t, syscall.CLONE_NEWNET)
	connect(t, pid, 2)
	n := run(t, Options{Process: func(id string) (int, bool) { return pid, id != "/empty" }})
	n.Track("/app", pid, false)
	figures(t, n, "/app", pid)
	n.Track("/sandbox", 0, true) // its process is asked for
	n.Track("/empty", 0, false)
	figures(t, n, "/sandbox", pid)
	require.Empty(t, n.Read("/app", nil))
	require.Empty(t, n.Read("/empty", nil))
	n.Forget("/sandbox")
	figures(t, n, "/app", pid)
	n.Forget("/app")
	require.Empty(t, n.Read("/app", nil))
	require.Empty(t, n.spaces)
}

func TestMachineHasItsOwnInterfacesAndContainersInItNone(t *testing.T) {
	needRoot(t)
	pid, host := sleeper(t, syscall.CLONE_NEWNET), sleeper(t, 0)
	connect(t, pid, 3)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = fmt.Sprintf("lbd%d", pid%10000)
	require.NoError(t, netlink.LinkAdd(&netlink.Ifb{LinkAttrs: attrs}))
	t.Cleanup(func() {
		l, err := netlink.LinkByName(attrs.Name)
		require.NoError(t, err)
		require.NoError(t, netlink.LinkDel(l))
	})
	for name, o := range map[string]Options{"one dump": {}, "by namespace": {PerNamespace: true}} {
		t.Run(name, func(t *testing.T) {
			n := run(t, o)
			n.Track("/docker/host", host, false)
			n.Track("/", 1, false)
			n.Track("/docker/a", pid, false)
			figures(t, n, "/docker/a", pid)
			names := func() (names []string) {
				require.NoError(t, n.Refresh())
				for _, io := range n.Read("/", nil) {
					names = append(names, io.Interface)
				}
				return names
			}
			require.Eventually(t, func() bool { return len(names()) > 0 }, 5*time.Second, 10*time.Millisecond)
			require.Contains(t, names(), attrs.Name)
			require.NotContains(t, names(), "lo")
			require.Empty(t, n.Read("/docker/host", nil))
		})
	}
}

func TestInterfacesWithoutAFarEndAreReadByThemselves(t *testing.T) {
	needRoot(t)
	pid := sleeper(t, syscall.CLONE_NEWNET)
	connect(t, pid, 4)
	h := enter(t, pid)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "own0"
	require.NoError(t, h.LinkAdd(&netlink.Ifb{LinkAttrs: attrs}))
	n := run(t, Options{})
	n.Track("/a", pid, false)
	ours, its := figures(t, n, "/a", pid)
	require.Equal(t, its, ours, "an interface that is down does not move")
	require.Len(t, ours, 2)

	l, err := h.LinkByName("own0")
	require.NoError(t, err)
	require.NoError(t, h.LinkSetUp(l))
	n.mu.Lock()
	n.members["/a"].space.learnAt = time.Time{} // a minute has passed
	n.mu.Unlock()
	n.signal()
	require.Eventually(t, func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.members["/a"].space.file >= 0
	}, 5*time.Second, 10*time.Millisecond)
	ours, its = figures(t, n, "/a", pid)
	require.Equal(t, its, ours)
}
