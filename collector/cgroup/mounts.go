package cgroup

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// controllers are those of cgroup v1 that are read, in the order in which one is
// chosen to be watched.
var controllers = []string{"memory", "cpu", "cpuacct", "pids", "blkio"}

// Hierarchies are where the kernel shows the control groups.
type Hierarchies struct {
	// V1 is the directory of each v1 controller; empty where v2 rules. Several
	// controllers may share a directory.
	V1 map[string]string
	// V2 is the directory of the unified hierarchy; empty where there is none.
	// Beside V1 it has no controllers worth reading, only pressure.
	V2 string
}

// Mode is "v1", "v2" or "hybrid".
func (h Hierarchies) Mode() string {
	switch {
	case len(h.V1) == 0:
		return "v2"
	case h.V2 == "":
		return "v1"
	}
	return "hybrid"
}

// directories are the distinct directories in which cgroups are looked for; the
// first is the one that is watched.
func (h Hierarchies) directories() []string {
	if len(h.V1) == 0 {
		return []string{h.V2}
	}
	var dirs []string
	for _, c := range controllers {
		if dir, ok := h.V1[c]; ok && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

var errNoCgroups = errors.New("no cgroup hierarchy is mounted")

// parseMountInfo finds the hierarchies in the text of /proc/PID/mountinfo. Of
// several mounts of one hierarchy, the one that shows its root is taken. Paths
// are below the prefix root.
func parseMountInfo(text []byte, root string) (Hierarchies, error) {
	h := Hierarchies{V1: map[string]string{}}
	whole := map[string]bool{} // controllers, and "" for v2, whose mount shows the root
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		m, ok := parseMount(line)
		if !ok {
			continue
		}
		dir := filepath.Join("/", root, m.point)
		for _, c := range m.controllers {
			take := h.V1[c] == "" || m.root == "/" && !whole[c]
			if c == "" {
				take = h.V2 == "" || m.root == "/" && !whole[c]
			}
			if !take {
				continue
			}
			whole[c] = m.root == "/"
			if c == "" {
				h.V2 = dir
			} else {
				h.V1[c] = dir
			}
		}
	}
	if len(h.V1) == 0 && h.V2 == "" {
		return h, errNoCgroups
	}
	return h, nil
}

type mount struct {
	root, point string
	controllers []string // [""] for v2
}

// parseMount reads one line of mountinfo, "31 23 0:28 / /sys/fs/cgroup/cpu
// rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct". ok is false when it is
// no mount of a hierarchy that is read.
func parseMount(line []byte) (m mount, ok bool) {
	before, after, found := bytes.Cut(line, []byte(" - "))
	left, right := strings.Fields(string(before)), strings.Fields(string(after))
	if !found || len(left) < 6 || len(right) < 3 {
		return m, false
	}
	m.root, m.point = unescape(left[3]), unescape(left[4])
	switch right[0] {
	case "cgroup2":
		m.controllers = []string{""}
	case "cgroup":
		for option := range strings.SplitSeq(right[2], ",") {
			if slices.Contains(controllers, option) {
				m.controllers = append(m.controllers, option)
			}
		}
	}
	return m, len(m.controllers) > 0
}

// unescape undoes mountinfo's octal escapes of blanks and backslashes.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
