package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Mounter is what volumes need of the mount table.
type Mounter interface {
	// Tmpfs mounts a file system in memory; size 0 is no limit.
	Tmpfs(path string, size int64) error
	// Bind makes the file or folder appear at target too.
	Bind(source, target string) error
	Unmount(path string) error
	// IsMounted is false for what is not there.
	IsMounted(path string) (bool, error)
	// Below lists the mount points at and below the folder, in the order in
	// which they were mounted.
	Below(dir string) ([]string, error)
}

// Kernel is the mount table of the process.
type Kernel struct{}

var _ Mounter = Kernel{}

// Tmpfs implements Mounter.
func (Kernel) Tmpfs(path string, size int64) error {
	options := ""
	if size > 0 {
		options = fmt.Sprintf("size=%d", size)
	}
	return unix.Mount("tmpfs", path, "tmpfs", 0, options)
}

// Bind implements Mounter.
func (Kernel) Bind(source, target string) error {
	return unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, "")
}

// Unmount implements Mounter. What is busy disappears when its last user does.
func (Kernel) Unmount(path string) error {
	err := unix.Unmount(path, unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(path, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
	}
	if err != nil {
		return &os.PathError{Op: "unmount", Path: path, Err: err}
	}
	return nil
}

// IsMounted implements Mounter.
func (k Kernel) IsMounted(path string) (bool, error) {
	points, err := k.Below(path)
	if err != nil {
		return false, err
	}
	path, err = realPath(path)
	if err != nil {
		return false, nil //nolint:nilerr // nothing is mounted where nothing is
	}
	return slices.Contains(points, path), nil
}

// Below implements Mounter.
func (Kernel) Below(dir string) ([]string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	real, err := realPath(dir)
	if err != nil {
		return nil, nil //nolint:nilerr // nothing is mounted where nothing is
	}
	return mountsBelow(string(table), real), nil
}

// realPath resolves the links above the last name, as the mount table has them.
func realPath(path string) (string, error) {
	parent, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	return filepath.Join(parent, filepath.Base(path)), nil
}

// mountsBelow reads a mountinfo table.
func mountsBelow(table, dir string) (points []string) {
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := unescape(fields[4])
		if point == dir || strings.HasPrefix(point, dir+"/") {
			points = append(points, point)
		}
	}
	return points
}

// unescape undoes the octal escapes of the kernel's tables.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
