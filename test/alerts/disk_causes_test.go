package alerts

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/test/machine"
)

// diskSize is that of the tests' disks, in bytes.
const diskSize = 64 << 20

// shortDisks makes a filesystem for each way in which one can be short.
func (n *node) shortDisks() (all []fault) {
	n.t.Helper()
	for _, short := range []struct {
		alert string
		left  float64 // share of the bytes
		more  func(*filesystem) (end func())
	}{
		{"NodeDiskAlmostFull", 0.06, nil},
		{"NodeDiskFull", 0.01, nil},
		{"NodeDiskFilling", 0.35, (*filesystem).grow},
		{"NodeInodesAlmostFull", 0.5, (*filesystem).useInodes},
	} {
		fs := n.mount()
		fs.leave(short.left)
		end := fs.unmount
		if short.more != nil {
			stop := short.more(fs)
			end = func() { stop(); fs.unmount() }
		}
		all = append(all, n.found(end, fmt.Sprintf("%s: Filesystem %s on %s ", short.alert, fs.device, machine.Node)))
	}
	return all
}

// filesystem is one on a loop device.
type filesystem struct {
	n           *node
	dir, device string
	unmount     func()
}

func (n *node) mount() *filesystem {
	n.t.Helper()
	dir := n.t.TempDir()
	image := n.image(filepath.Join(n.t.TempDir(), "image"), 0)
	device := n.sh("losetup --find --show %s", image)
	n.sh("mkfs.ext4 -q -m 0 -N 256 %s", device)
	detach := n.afterwards("losetup --detach %s", device)
	n.sh("mount %s %s", device, dir)
	unmount := n.afterwards("umount %s", dir)
	return &filesystem{n, dir, device, func() { unmount(); detach() }}
}

// image is a file of a disk's size at least, the beginning of which is written.
func (n *node) image(path string, written int) string {
	n.t.Helper()
	f, err := os.Create(path)
	require.NoError(n.t, err)
	defer f.Close()
	_, err = f.Write(make([]byte, written))
	require.NoError(n.t, err)
	require.NoError(n.t, f.Truncate(max(diskSize, int64(written))))
	require.NoError(n.t, f.Sync())
	return path
}

func (f *filesystem) state() (s unix.Statfs_t) {
	f.n.t.Helper()
	require.NoError(f.n.t, unix.Statfs(f.dir, &s))
	return s
}

// leave fills the filesystem but for that share of its bytes.
func (f *filesystem) leave(share float64) {
	f.n.t.Helper()
	s := f.state()
	require.NoError(f.n.t, f.take(s.Bsize*(int64(s.Bavail)-int64(share*float64(s.Blocks)))))
}

// take makes the one large file so much longer.
func (f *filesystem) take(bytes int64) error {
	file, err := os.OpenFile(filepath.Join(f.dir, "large"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return unix.Fallocate(int(file.Fd()), 0, info.Size(), bytes)
}

// grow takes 0.1 MB a second.
func (f *filesystem) grow() (end func()) {
	return f.n.every(time.Second, func() error { return f.take(100 << 10) })
}

// useInodes leaves two.
func (f *filesystem) useInodes() (end func()) {
	f.n.t.Helper()
	for i := range int(f.state().Ffree) - 2 {
		require.NoError(f.n.t, os.WriteFile(filepath.Join(f.dir, fmt.Sprint(i)), nil, 0o600))
	}
	return func() {}
}

// partition makes a disk of a file: the partition of a loop device, as the
// collector shows no whole one.
func (n *node) partition(file string) (device string, remove func()) {
	n.t.Helper()
	loop := n.sh("losetup --find --show --direct-io=on %s", file)
	detach := n.afterwards("losetup --detach %s", loop)
	n.sh("addpart %s 1 0 %d", loop, diskSize/512)
	forget := n.afterwards("delpart %s 1", loop)
	return loop + "p1", func() { forget(); detach() }
}

// slowDisk has 50 readers for each CPU wait for a disk whose file is on one that
// does 50 of their requests a second.
func (n *node) slowDisk() fault {
	n.t.Helper()
	const id = "/lubbertest-alerts-disk"
	file := n.image(filepath.Join(n.t.TempDir(), "image"), diskSize)
	device, remove := n.partition(file)
	below := n.diskOf(file)
	stop := n.inGroup(id, fmt.Sprintf("for i in $(seq %d); do dd if=%s of=/dev/null bs=4k iflag=direct & done; wait", 50*runtime.NumCPU(), device),
		limit{"blkio", "blkio.throttle.read_iops_device=" + below + " 50", "io.max=" + below + " riops=50"})
	end := n.once(func() {
		n.set(id, limit{"blkio", "blkio.throttle.read_iops_device=" + below + " 0", "io.max=" + below + " riops=max"})
		stop()
		remove()
	})
	return n.found(end, saturated(device), "NodeLoadHigh: Node "+machine.Node+" has ")
}

// deadDisk has 20 writers wait for a disk that does not answer: its file is on a
// frozen filesystem.
func (n *node) deadDisk() fault {
	n.t.Helper()
	fs := n.mount()
	device, remove := n.partition(n.image(filepath.Join(fs.dir, "image"), 0))
	thaw := n.afterwards("fsfreeze --unfreeze %s", fs.dir)
	n.sh("fsfreeze --freeze %s", fs.dir)
	stop := n.inGroup("/lubbertest-alerts-dead", "for i in $(seq 20); do dd if=/dev/zero of="+device+" bs=4k count=1000 oflag=direct & done; wait")
	end := n.once(func() { thaw(); stop(); remove(); fs.unmount() })
	return n.found(end, saturated(device))
}

// saturated is the alert of a disk.
func saturated(device string) string {
	return fmt.Sprintf(`NodeDiskSaturated: Node %s has \d+ requests waiting for %s$`, machine.Node, filepath.Base(device))
}

// diskOf is the number of the whole disk that a file is on: "254:0".
func (n *node) diskOf(path string) string {
	n.t.Helper()
	var s unix.Stat_t
	require.NoError(n.t, unix.Stat(path, &s))
	dir, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(s.Dev), unix.Minor(s.Dev)))
	require.NoError(n.t, err, "%s is on no disk: set TMPDIR", path)
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		dir = filepath.Dir(dir)
	}
	number, err := os.ReadFile(filepath.Join(dir, "dev"))
	require.NoError(n.t, err)
	return strings.TrimSpace(string(number))
}
