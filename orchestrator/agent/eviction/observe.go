package eviction

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Host measures this machine.
type Host struct {
	// NodePath lies on the file system of pods' files and logs, ImagePath on
	// that of images.
	NodePath, ImagePath string
	// Proc and Memory are /proc and /sys/fs/cgroup/memory when empty.
	Proc, Memory string
}

// Observe measures everything that has a signal.
func (h Host) Observe() (Observation, error) {
	o := Observation{Signals: map[Signal]Amount{}}
	memory, err := h.memory()
	if err != nil {
		return o, err
	}
	o.Signals[MemoryAvailable] = memory
	node, nodeInodes, nodeID, err := fileSystem(h.NodePath)
	if err != nil {
		return o, err
	}
	image, imageInodes, imageID, err := fileSystem(h.ImagePath)
	if err != nil {
		return o, err
	}
	o.Signals[NodeFSAvailable], o.Signals[NodeFSInodesFree] = node, nodeInodes
	o.Signals[ImageFSAvailable], o.Signals[ImageFSInodesFree] = image, imageInodes
	o.DedicatedImageFS = nodeID != imageID
	o.Signals[PIDAvailable], err = h.processes()
	return o, err
}

func (h Host) proc(name string) string {
	if h.Proc == "" {
		return filepath.Join("/proc", name)
	}
	return filepath.Join(h.Proc, name)
}

// memory is available as far as the machine's working set leaves it: what is
// used, less files' pages that nobody has asked for lately.
func (h Host) memory() (Amount, error) {
	info, err := readPairs(h.proc("meminfo"))
	if err != nil {
		return Amount{}, err
	}
	capacity := info["MemTotal"] << 10
	used, inactive, err := h.cgroupMemory()
	if errors.Is(err, fs.ErrNotExist) { // version 2 has no such file for the whole machine
		used, inactive, err = capacity-info["MemFree"]<<10, info["Inactive(file)"]<<10, nil
	}
	if err != nil {
		return Amount{}, err
	}
	return Amount{Available: max(0, capacity-max(0, used-inactive)), Capacity: capacity}, nil
}

func (h Host) cgroupMemory() (used, inactive int64, err error) {
	dir := h.Memory
	if dir == "" {
		dir = "/sys/fs/cgroup/memory"
	}
	text, err := os.ReadFile(filepath.Join(dir, "memory.usage_in_bytes"))
	if err != nil {
		return 0, 0, err
	}
	used, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("read the memory in use: %w", err)
	}
	stat, err := readPairs(filepath.Join(dir, "memory.stat"))
	return used, stat["total_inactive_file"], err
}

// readPairs reads lines of a name, perhaps with a colon, and a number.
func readPairs(path string) (map[string]int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pairs := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		if n, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
			pairs[strings.TrimSuffix(fields[0], ":")] = n
		}
	}
	return pairs, nil
}

func fileSystem(path string) (bytes, inodes Amount, id unix.Fsid, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return bytes, inodes, id, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	bytes = Amount{Available: int64(s.Bavail) * s.Bsize, Capacity: int64(s.Blocks) * s.Bsize}
	return bytes, Amount{Available: int64(s.Ffree), Capacity: int64(s.Files)}, s.Fsid, nil
}

// processes reads how many there may be and are, threads included.
func (h Host) processes() (Amount, error) {
	text, err := os.ReadFile(h.proc("loadavg"))
	if err != nil {
		return Amount{}, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 4 {
		return Amount{}, fmt.Errorf("read %s: %q has no count of processes", h.proc("loadavg"), text)
	}
	_, total, _ := strings.Cut(fields[3], "/")
	running, err := strconv.ParseInt(total, 10, 64)
	if err != nil {
		return Amount{}, fmt.Errorf("read the number of processes: %w", err)
	}
	limit := int64(0)
	for _, name := range []string{"sys/kernel/pid_max", "sys/kernel/threads-max"} {
		text, err := os.ReadFile(h.proc(name))
		if err != nil {
			return Amount{}, err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			return Amount{}, fmt.Errorf("read %s: %w", name, err)
		}
		if limit == 0 || n < limit {
			limit = n
		}
	}
	return Amount{Available: max(0, limit-running), Capacity: limit}, nil
}
