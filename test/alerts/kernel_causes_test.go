package alerts

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/prometheus/procfs"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/test/machine"
)

// keepProcessorsBusy runs on all CPUs, after everybody else.
func (n *node) keepProcessorsBusy() fault {
	n.t.Helper()
	end := n.inGroup("/lubbertest-alerts-cpu",
		fmt.Sprintf("for i in $(seq %d); do nice -n 19 sh -c 'while :; do :; done' & done; wait", runtime.NumCPU()))
	return n.found(end, "NodeCPUHigh: Node "+machine.Node+" uses ")
}

// takeMemory leaves 8 % of the machine's memory. It gives back what others take,
// so that the kernel kills nobody.
func (n *node) takeMemory() fault {
	n.t.Helper()
	const step = 512 << 20 // the most that is taken before looking again
	proc, err := procfs.NewDefaultFS()
	require.NoError(n.t, err)
	file, err := unix.MemfdCreate("taken", unix.MFD_CLOEXEC)
	require.NoError(n.t, err)
	taken := int64(0)
	stop := n.every(100*time.Millisecond, func() error {
		memory, err := proc.Meminfo()
		if err != nil {
			return err
		}
		total := int64(*memory.MemTotalBytes)
		more := max(min(int64(*memory.MemAvailableBytes)-total*8/100, step), -taken)
		switch {
		case more > total/200:
			err = unix.Fallocate(file, 0, taken, more)
		case more < -total/200:
			err = unix.Ftruncate(file, taken+more)
		default:
			return nil
		}
		taken += more
		return err
	})
	end := n.once(func() { stop(); require.NoError(n.t, unix.Close(file)) })
	return n.found(end, "NodeMemoryHigh: Node "+machine.Node+" uses ")
}

// dropPages reads a mapped file with memory for a quarter of it.
func (n *node) dropPages() fault {
	n.t.Helper()
	const size, memory = 256 << 20, 64 << 20
	dir := n.t.TempDir()
	program := filepath.Join(dir, "faults")
	out, err := exec.Command("go", "build", "-o", program, "./faults").CombinedOutput()
	require.NoError(n.t, err, string(out))
	file := n.image(filepath.Join(dir, "mapped"), size)
	f, err := os.Open(file)
	require.NoError(n.t, err)
	defer f.Close()
	require.NoError(n.t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
	end := n.inGroup("/lubbertest-alerts-memory", program+" "+file,
		limit{"memory", fmt.Sprintf("memory.limit_in_bytes=%d", memory), fmt.Sprintf("memory.max=%d", memory)})
	return n.found(end, "NodeMajorFaults: Node "+machine.Node+" reads ")
}

// openFiles opens so many that under a lower limit, which leaves others thousands,
// five of six are used.
func (n *node) openFiles() fault {
	n.t.Helper()
	const many, limit = 15000, "/proc/sys/fs/file-max"
	before, err := number(limit)
	require.NoError(n.t, err)
	restore := n.afterwards("echo %d >%s", before, limit)
	var files []*os.File
	end := n.once(func() {
		for _, f := range files {
			_ = f.Close()
		}
		restore()
	})
	for range many {
		f, err := os.Open(os.DevNull)
		require.NoError(n.t, err)
		files = append(files, f)
	}
	used, err := number("/proc/sys/fs/file-nr")
	require.NoError(n.t, err)
	require.NoError(n.t, os.WriteFile(limit, fmt.Append(nil, used*6/5), 0o644))
	return n.found(end, "NodeFileDescriptorsNearLimit: Node "+machine.Node+" uses ")
}

// trackConnections sends to so many addresses of this machine that four of five
// of the connections are tracked that can be. The kernel forgets each after half
// a minute.
func (n *node) trackConnections() fault {
	n.t.Helper()
	const sysctl = "/proc/sys/net/netfilter/nf_conntrack_"
	to, err := net.ListenUDP("udp4", nil) // on every address
	require.NoError(n.t, err)
	n.t.Cleanup(func() { _ = to.Close() })
	from, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(n.t, err)
	n.t.Cleanup(func() { _ = from.Close() })
	next, port := 1, to.LocalAddr().(*net.UDPAddr).Port
	end := n.every(time.Second, func() error {
		limit, err := number(sysctl + "max")
		if err != nil {
			return err
		}
		tracked, err := number(sysctl + "count")
		for ; err == nil && tracked < limit*4/5; tracked, next = tracked+1, next+1 {
			_, err = from.WriteToUDP(nil, &net.UDPAddr{IP: net.IPv4(127, byte(next>>16), byte(next>>8), byte(next)), Port: port})
		}
		return err
	})
	return n.found(end, "NodeConntrackNearLimit: Node "+machine.Node+" tracks ")
}

// loopTunnel sends into a tunnel whose other end is to be reached through itself.
func (n *node) loopTunnel() fault {
	n.t.Helper()
	const name = "lubtunnel"
	remove := n.afterwards("ip link delete %s", name)
	handle, err := netlink.NewHandle()
	require.NoError(n.t, err)
	defer handle.Close()
	n.addTunnel(handle, name)
	c, err := net.Dial("udp4", tunnelEnd+":9")
	require.NoError(n.t, err)
	n.t.Cleanup(func() { _ = c.Close() })
	stop := n.every(100*time.Millisecond, func() error {
		_, _ = c.Write(nil) // that it fails is what is wrong
		return nil
	})
	return n.found(func() { stop(); remove() }, "NodeNetworkErrors: Node "+machine.Node+" loses 100% of the packets of "+name+" ")
}

// tunnelEnd is the other end of a tunnel.
const tunnelEnd = "198.18.77.2"

// addTunnel makes a tunnel that is routed into itself: all that it sends is an
// error.
func (n *node) addTunnel(h *netlink.Handle, name string) {
	n.t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	tunnel := &netlink.Vxlan{LinkAttrs: attrs, VxlanId: 77, Port: 4799, Group: net.ParseIP(tunnelEnd)}
	require.NoError(n.t, h.LinkAdd(tunnel))
	address, err := netlink.ParseAddr("198.18.77.1/24")
	require.NoError(n.t, err)
	require.NoError(n.t, h.AddrAdd(tunnel, address))
	require.NoError(n.t, h.LinkSetUp(tunnel))
}
