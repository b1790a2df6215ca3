package cgroup

import (
	"errors"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// shared is what the readers of one System have in common. They are used by one
// goroutine, so one buffer is enough for all of them.
type shared struct {
	buffer []byte
	names  deviceNames
	// open counts the files kept open; the metrics read it from elsewhere.
	open     atomic.Int64
	maxOpen  int64
	reopened atomic.Uint64 // reads of a file that could not be kept open
	failed   atomic.Uint64 // reads that failed with neither a missing file nor a gone cgroup
}

// The states of a file beside an open descriptor.
const (
	missing   = -1 // not there when last looked for
	transient = -2 // opened for each read
)

// file is one file of a cgroup.
type file struct {
	path string
	fd   int
	// seldom files are never kept open: the kernel holds a page of buffer for
	// each open file.
	seldom bool
}

// open opens the file if it is there. It is no error if it is not.
func (f *file) open(s *shared) {
	if f.seldom || s.open.Load() >= s.maxOpen {
		f.fd = transient
		return
	}
	fd, err := openFile(f.path)
	switch {
	case err == nil:
		f.fd = fd
		s.open.Add(1)
	case errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE):
		f.fd = transient
	default:
		f.fd = missing
	}
}

func (f *file) close(s *shared) {
	if f.fd >= 0 {
		_ = unix.Close(f.fd)
		s.open.Add(-1)
	}
	f.fd = missing
}

// read returns what the file holds; it is valid until the next read of any file.
// ok is false when the file is missing; gone is true when its cgroup was removed
// while the file was open.
func (f *file) read(s *shared) (content []byte, ok, gone bool) {
	if f.fd == missing {
		return nil, false, false
	}
	fd := f.fd
	if fd == transient {
		var err error
		if fd, err = openFile(f.path); err != nil {
			return nil, false, false
		}
		defer unix.Close(fd)
		if !f.seldom {
			s.reopened.Add(1)
		}
	}
	content, err := s.readAll(fd)
	switch {
	case err == nil:
		return content, true, false
	case errors.Is(err, unix.ENODEV):
		f.close(s)
		return nil, false, true
	case errors.Is(err, unix.EOPNOTSUPP): // a file of v2 that this cgroup cannot answer
		return nil, false, false
	}
	s.failed.Add(1)
	return nil, false, false
}

// readAll reads a file from its start. Files of cgroups fit the buffer, except
// a list of very many processes, for which the buffer grows.
func (s *shared) readAll(fd int) ([]byte, error) {
	n := 0
	for {
		m, err := pread(fd, s.buffer[n:], int64(n))
		if err != nil {
			return nil, err
		}
		n += m
		if m == 0 || n < len(s.buffer) && small(n) {
			return s.buffer[:n], nil
		}
		if n == len(s.buffer) {
			s.buffer = append(s.buffer, make([]byte, len(s.buffer))...)
		}
	}
}

// small says that n bytes came in one piece: the kernel gives a file of a cgroup
// in pages, so a read of less than one page reached the end.
func small(n int) bool { return n < 4000 }

func pread(fd int, b []byte, offset int64) (int, error) {
	for {
		n, err := unix.Pread(fd, b, offset)
		if err != unix.EINTR {
			return n, err
		}
	}
}

func openFile(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}
