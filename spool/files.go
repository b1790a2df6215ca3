package spool

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// fileSystem is what a spool needs of one; tests put errors into it.
type fileSystem interface {
	Open(name string, flag int) (file, error)
	Remove(name string) error
	Rename(from, to string) error
	SyncDir(dir string) error
}

// file is one segment's file.
type file interface {
	io.ReaderAt
	io.Closer
	// WriteVec writes all of bufs one after another at off. After an error any
	// part of them may be in the file.
	WriteVec(bufs [][]byte, off int64) error
	Truncate(size int64) error
	// Sync makes data and size durable.
	Sync() error
	Size() (int64, error)
}

type osFileSystem struct{}

func (osFileSystem) Open(name string, flag int) (file, error) {
	f, err := os.OpenFile(name, flag, 0o640)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFileSystem) Remove(name string) error     { return os.Remove(name) }
func (osFileSystem) Rename(from, to string) error { return os.Rename(from, to) }

func (osFileSystem) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f osFile) Sync() error {
	if err := ignoreInterrupts(func() error { return unix.Fdatasync(int(f.Fd())) }); err != nil {
		return fmt.Errorf("fdatasync %s: %w", f.Name(), err)
	}
	return nil
}

// iovMax is the most buffers that the kernel takes in one call.
const iovMax = 1024

func (f osFile) WriteVec(bufs [][]byte, off int64) error {
	for len(bufs) > 0 {
		var n int
		err := ignoreInterrupts(func() (err error) {
			n, err = unix.Pwritev(int(f.Fd()), bufs[:min(len(bufs), iovMax)], off)
			return err
		})
		if err == nil && n == 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", f.Name(), err)
		}
		off += int64(n)
		bufs = consume(bufs, n)
	}
	return nil
}

// consume drops the first n bytes, and empty buffers before the next byte. It
// changes the slice's elements.
func consume(bufs [][]byte, n int) [][]byte {
	for len(bufs) > 0 && n >= len(bufs[0]) {
		n -= len(bufs[0])
		bufs = bufs[1:]
	}
	if n > 0 {
		bufs[0] = bufs[0][n:]
	}
	return bufs
}

func ignoreInterrupts(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
