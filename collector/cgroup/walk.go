package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// found is what a walk learns of a cgroup.
type found struct {
	inode uint64 // in the first hierarchy that has it
	made  time.Time
}

// excluded says that a directory is not worth a look: systemd makes a cgroup
// for each mount, without a process.
func excluded(name string) bool { return strings.HasSuffix(name, ".mount") }

// walk returns all cgroups of all hierarchies.
func (s *System) walk() map[string]found {
	all := map[string]found{}
	for _, dir := range s.hierarchies.directories() {
		walkBelow(dir, Root, all)
	}
	if root, ok := all[Root]; ok {
		root.made = s.bootTime()
		all[Root] = root
	}
	return all
}

// walkBelow adds the cgroup id of the hierarchy in dir, and all below it.
func walkBelow(dir, id string, all map[string]found) {
	st, ok := statDirectory(filepath.Join(dir, id))
	if !ok {
		return
	}
	made := time.Unix(st.Mtim.Unix())
	if f, known := all[id]; !known {
		all[id] = found{st.Ino, made}
	} else if made.Before(f.made) {
		f.made = made
		all[id] = f
	}
	for _, name := range subdirectories(filepath.Join(dir, id), &st) {
		walkBelow(dir, filepath.Join(id, name), all)
	}
}

func statDirectory(path string) (st unix.Stat_t, ok bool) {
	err := unix.Stat(path, &st)
	return st, err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// subdirectories lists the cgroups in a directory. The link count spares the
// listing of nearly all: it is 2 where there are none, and 1 on filesystems
// that do not count.
func subdirectories(path string, st *unix.Stat_t) []string {
	if st.Nlink == 2 {
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && !excluded(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}
