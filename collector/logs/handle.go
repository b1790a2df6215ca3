package logs

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// handle is an open file; -1 is none. Files of this package are plain file
// descriptors so that a look at one costs a system call and nothing else.
type handle int

const noHandle handle = -1

// fileID is what names a file on this machine.
type fileID struct{ device, inode uint64 }

// info is what a look at a file tells.
type info struct {
	id       fileID
	size     int64
	modified int64 // nanoseconds since the epoch
	links    uint64
	regular  bool
}

func infoOf(st *unix.Stat_t) info {
	return info{
		id:       fileID{uint64(st.Dev), st.Ino}, //nolint:unconvert // signed on other systems
		size:     st.Size,
		modified: st.Mtim.Nano(),
		links:    uint64(st.Nlink), //nolint:unconvert // 32 bits on arm64
		regular:  st.Mode&unix.S_IFMT == unix.S_IFREG,
	}
}

// statPath follows symbolic links.
func statPath(path string) (info, error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Stat(path, &st) }); err != nil {
		return info{}, fmt.Errorf("stat %s: %w", path, err)
	}
	return infoOf(&st), nil
}

// openPath opens a regular file; it does not wait on anything else.
func openPath(path string) (handle, info, error) {
	var fd int
	err := retry(func() (err error) {
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		return err
	})
	if err != nil {
		return noHandle, info{}, fmt.Errorf("open %s: %w", path, err)
	}
	h := handle(fd)
	in, err := h.stat()
	if err == nil && !in.regular {
		err = fmt.Errorf("open %s: not a regular file", path)
	}
	if err != nil {
		h.close()
		return noHandle, info{}, err
	}
	return h, in, nil
}

func (h handle) stat() (info, error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(int(h), &st) }); err != nil {
		return info{}, fmt.Errorf("fstat: %w", err)
	}
	return infoOf(&st), nil
}

// read fills b from off as far as the file goes.
func (h handle) read(b []byte, off int64) (int, error) {
	have := 0
	for have < len(b) {
		var n int
		err := retry(func() (err error) {
			n, err = unix.Pread(int(h), b[have:], off+int64(have))
			return err
		})
		if err != nil {
			return have, fmt.Errorf("pread: %w", err)
		}
		if n == 0 {
			break
		}
		have += n
	}
	return have, nil
}

// ReadAt makes a handle an io.ReaderAt.
func (h handle) ReadAt(b []byte, off int64) (int, error) {
	n, err := h.read(b, off)
	if err == nil && n < len(b) {
		err = io.EOF
	}
	return n, err
}

func (h handle) close() {
	if h != noHandle {
		unix.Close(int(h))
	}
}

func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
