package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// walker adds up the blocks of a tree.
type walker struct {
	ctx    context.Context
	device uint64
	bytes  uint64
	// linked are the inodes with several names that were counted already.
	linked map[uint64]struct{}
}

// diskUsage is the room that a directory and all below it takes on its
// filesystem, in bytes: each file once, however many names it has; what is
// mounted below it is left out, and so is what goes away meanwhile.
func diskUsage(ctx context.Context, dir string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return 0, fmt.Errorf("measure %s: %w", dir, err)
	}
	w := &walker{ctx: ctx, device: st.Dev, bytes: uint64(st.Blocks) * 512, linked: map[uint64]struct{}{}}
	if err := w.below(dir); err != nil {
		return 0, fmt.Errorf("measure %s: %w", dir, err)
	}
	return w.bytes, nil
}

// below adds up what is in a directory.
func (w *walker) below(dir string) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	var subdirectories []string
	for _, name := range names {
		if w.add(int(d.Fd()), name) {
			subdirectories = append(subdirectories, name)
		}
	}
	_ = d.Close()
	for _, name := range subdirectories {
		if err := w.below(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return err
}

// add counts one file. It returns true for a directory to go into.
func (w *walker) add(dir int, name string) bool {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil || st.Dev != w.device {
		return false
	}
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if !isDir && st.Nlink > 1 {
		if _, again := w.linked[st.Ino]; again {
			return false
		}
		w.linked[st.Ino] = struct{}{}
	}
	w.bytes += uint64(st.Blocks) * 512
	return isDir
}

// names lists a directory; nothing when it cannot be read.
func names(dir string) []string {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	all, _ := d.Readdirnames(-1)
	return all
}
