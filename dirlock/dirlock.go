// Package dirlock keeps a data directory to one process at a time.
package dirlock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrInUse says that another process holds the directory.
var ErrInUse = errors.New("in use by another process")

// fileName is of the file that is locked; it holds the owner's process id for
// people to read, and stays when the lock goes.
const fileName = "lock"

// Lock is a directory that is ours. The kernel lets go of it when the process
// ends, however it ends.
type Lock struct{ file *os.File }

// Take makes the directory if need be and locks it. When another process has
// it, the error wraps ErrInUse and names that process.
func Take(dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, fileName), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := take(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("data directory %s: %w", dir, err)
	}
	return &Lock{file: f}, nil
}

func take(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%w%s", ErrInUse, owner(f))
	}
	if err != nil {
		return fmt.Errorf("lock it: %w", err)
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("write the lock: %w", err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil && !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("write the lock: %w", err)
	}
	return nil
}

// owner names the process that a lock file names; empty when it names none.
func owner(f *os.File) string {
	b := make([]byte, 32)
	n, _ := f.ReadAt(b, 0) // at the end of the file by nature
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

// Close lets go of the directory.
func (l *Lock) Close() error { return l.file.Close() }
