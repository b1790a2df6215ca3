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
	for child := range strings.FieldsSeq(string(children)) {
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

// removeCgroups removes what dead containers left below the group of that name
// in every hierarchy, then the group itself. The kernel refuses groups that are
// in use.
func removeCgroups(name string, containers []string) {
	var dirs []string
	for _, root := range []string{"/sys/fs/cgroup/*/", "/sys/fs/cgroup/"} {
		for _, c := range containers {
			found, _ := filepath.Glob(root + name + "/" + c)
			dirs = append(dirs, found...)
		}
		found, _ := filepath.Glob(root + name)
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		removeTree(dir)
	}
}

// removeTree removes a group after the groups below it.
func removeTree(dir string) {
	if syscall.Rmdir(dir) == nil {
		return
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		// Only groups of processes that are gone go; others' are in use.
		if child := filepath.Join(dir, e.Name()); e.IsDir() && deserted(child) {
			removeTree(child)
		}
	}
	_ = syscall.Rmdir(dir)
}

// deserted says whether no process is in the group or below it.
func deserted(dir string) bool {
	used := false
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Name() == "cgroup.procs" {
			text, err := os.ReadFile(path)
			used = used || err != nil || len(text) > 0
		}
		return nil
	})
	return !used
}

// engineLock keeps engines of other test programs from starting while the groups
// that they share with an ending one are removed.
type engineLock struct{ file *os.File }

// shareEngines waits until no other program is removing groups.
func shareEngines() (*engineLock, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(cache, "peers"), 0o755); err != nil {
		return nil, fmt.Errorf("make the cache: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(cache, "peers", "engines.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock of engines: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock engines: %w", err)
	}
	return &engineLock{file: f}, nil
}

// last runs f if no other engine of a test is left, and lets go of the lock.
func (l *engineLock) last(f func()) {
	if l == nil {
		return
	}
	defer l.file.Close()
	if syscall.Flock(int(l.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		f()
	}
}
