package parity

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/collector/bench/lab"
	"github.com/lubberline/lubberline/collector/cgroup"
)

// group makes a cgroup for the test.
func group(t *testing.T, h cgroup.Hierarchies, name string) *lab.Group {
	t.Helper()
	g, err := lab.New(h, fmt.Sprintf("/lubberline-parity-%d-%s", os.Getpid(), name))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.Remove()) })
	return g
}

func shell(t *testing.T, g *lab.Group, script string) int {
	t.Helper()
	c, err := g.Shell(script)
	require.NoError(t, err)
	return c.Process.Pid
}

// burnCPU has more to do than its quota allows, in user mode and in the kernel.
func burnCPU(t *testing.T, g *lab.Group) {
	require.NoError(t, g.Set("cpu", "cpu.cfs_quota_us", "20000"))
	require.NoError(t, g.Set("cpu", "cpu.shares", "512"))
	shell(t, g, `while :; do (:); j=0; while [ $j -lt 5000 ]; do j=$((j+1)); done; done`)
}

// holdMemory has anonymous memory, mapped files, page cache and limits.
func holdMemory(t *testing.T, g *lab.Group, dir string) {
	for file, bytes := range map[string]int{"memory.limit_in_bytes": 512 << 20, "memory.soft_limit_in_bytes": 256 << 20} {
		require.NoError(t, g.Set("memory", file, fmt.Sprint(bytes)))
	}
	shell(t, g, fmt.Sprintf(`x=$(head -c 40000000 /dev/zero | tr '\0' x); head -c 30000000 /dev/zero > %s/cache; touch %s/held; while :; do (:); sleep 0.05; done`, dir, dir))
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, "held"))
		return err == nil
	}, 30*time.Second, 10*time.Millisecond)
}

// doIO reads and writes past the page cache. The kernel counts the block I/O of
// v1 only on a disk that has a rule, so it gets one that forbids nothing.
func doIO(t *testing.T, g *lab.Group, dir string) {
	disk := diskOf(t, dir)
	require.NoError(t, g.Set("blkio", "blkio.throttle.read_bps_device", disk+" 999999999999"))
	require.NoError(t, g.Set("blkio", "blkio.throttle.write_bps_device", disk+" 999999999999"))
	shell(t, g, fmt.Sprintf(`while :; do dd if=/dev/zero of=%[1]s/io bs=32k count=64 oflag=direct; dd if=%[1]s/io of=/dev/null bs=16k iflag=direct; done 2>/dev/null`, dir))
}

// diskOf is the number of the disk that a directory is on, "254:0".
func diskOf(t *testing.T, dir string) string {
	t.Helper()
	var st unix.Stat_t
	require.NoError(t, unix.Stat(dir, &st))
	number := fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	block := "/sys/dev/block/" + number
	if _, err := os.Stat(block + "/partition"); err == nil {
		text, err := os.ReadFile(block + "/../dev")
		require.NoError(t, err)
		return strings.TrimSpace(string(text))
	}
	_, err := os.Stat(block)
	require.NoError(t, err, "%s is on no block device", dir)
	return number
}

// talk has an interface of its own with traffic in both directions. It returns
// the process whose namespace it is.
func talk(t *testing.T, g *lab.Group) int {
	c := exec.Command("sleep", "1000")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	require.NoError(t, g.Start(c))
	require.NoError(t, g.Move(c.Process.Pid))
	name := fmt.Sprintf("lbp%d", c.Process.Pid%100000)
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
	require.NoError(t, netlink.LinkSetNsPid(near, c.Process.Pid))
	ns, err := netns.GetFromPid(c.Process.Pid)
	require.NoError(t, err)
	defer ns.Close()
	inside, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	require.NoError(t, err)
	defer inside.Close()
	outside, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	require.NoError(t, err)
	defer outside.Close()
	raise(t, inside, name+"p", "10.214.7.2/24")
	raise(t, outside, name, "10.214.7.1/24")
	keepSending(t, "10.214.7.2:9")
	return c.Process.Pid
}

func raise(t *testing.T, h *netlink.Handle, name, address string) {
	t.Helper()
	l, err := h.LinkByName(name)
	require.NoError(t, err)
	a, err := netlink.ParseAddr(address)
	require.NoError(t, err)
	require.NoError(t, h.AddrAdd(l, a))
	require.NoError(t, h.LinkSetUp(l))
}

// keepSending sends datagrams until the test ends. Nobody listens, so refusals
// come back.
func keepSending(t *testing.T, address string) {
	t.Helper()
	c, err := net.Dial("udp", address)
	require.NoError(t, err)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(2 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				_, _ = c.Write(make([]byte, 700)) // refused every other time
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		_ = c.Close()
	})
}
