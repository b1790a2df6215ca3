package peers

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// bridge is a network bridge of the host, with an address of its own.
type bridge struct{ name string }

// addBridge makes a bridge on the first /24 of 172.31.0.0/16 that is free.
func addBridge() (*bridge, error) {
	var random [4]byte
	_, _ = rand.Read(random[:])
	b := &bridge{name: "lbd" + hex.EncodeToString(random[:])}
	if err := ip("link", "add", b.name, "type", "bridge"); err != nil {
		return nil, err
	}
	start := int(random[0])
	for i := range 256 {
		subnet := fmt.Sprintf("172.31.%d.", (start+i)%256)
		if inUse(subnet) {
			continue
		}
		if err := ip("addr", "add", subnet+"1/24", "dev", b.name); err != nil {
			b.remove()
			return nil, err
		}
		return b, ip("link", "set", b.name, "up")
	}
	b.remove()
	return nil, fmt.Errorf("no free network in 172.31.0.0/16")
}

func inUse(subnet string) bool {
	out, err := exec.Command("ip", "-4", "-o", "addr").Output()
	return err == nil && strings.Contains(string(out), " "+subnet)
}

func (b *bridge) remove() { _ = ip("link", "del", b.name) }

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// killMentioning kills the processes that have dir in their command line: the
// containerd and the shims of an engine whose paths lie there, and with them
// the processes of its containers.
func killMentioning(dir string) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		cmdline, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil || !strings.Contains(string(cmdline), dir+"/") {
			continue
		}
		killTree(pid)
	}
}

// killTree kills a process and its children: a shim's are containers.
func killTree(pid int) {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	_ = syscall.Kill(pid, syscall.SIGKILL)
	for _, child := range strings.Fields(string(children)) {
		if n, err := strconv.Atoi(child); err == nil {
			killTree(n)
		}
	}
	waitGone(pid, 5*time.Second)
}

// waitGone waits until a process that is not our child has ended.
func waitGone(pid int, timeout time.Duration) {
	for deadline := time.Now().Add(timeout); time.Now().Before(deadline); time.Sleep(pollInterval / 5) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
}

// unmountBelow unmounts everything below dir, the deepest first.
func unmountBelow(dir string) error {
	mounts, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(mounts) {
		_ = syscall.Unmount(m, syscall.MNT_DETACH)
	}
	left, err := mountsBelow(dir)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("still mounted: %v", left)
	}
	return err
}

// mountsBelow lists the mount points below dir in the order they were made.
func mountsBelow(dir string) ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	var mounts []string
	for line := range strings.Lines(string(text)) {
		if field := strings.Fields(line); len(field) > 4 && strings.HasPrefix(field[4], dir+"/") {
			mounts = append(mounts, field[4])
		}
	}
	return mounts, nil
}

// removeEmptyCgroups removes the group of that name, and what is below it, from
// every hierarchy, where no process is left in it: the kernel refuses others.
func removeEmptyCgroups(name string) {
	for _, pattern := range []string{"/sys/fs/cgroup/*/" + name, "/sys/fs/cgroup/" + name} {
		roots, _ := filepath.Glob(pattern)
		for _, root := range roots {
			var dirs []string
			_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
				if err == nil && e.IsDir() {
					dirs = append(dirs, path)
				}
				return nil
			})
			for _, dir := range slices.Backward(dirs) {
				_ = syscall.Rmdir(dir)
			}
		}
	}
}
