package containerlog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
)

const (
	readBlock = 64 << 10
	// maxLine is the longest line that is kept whole; what is longer is left
	// out. Runtimes split lines at 16 KiB.
	maxLine = 1 << 20
)

// Read writes the log at path out. With Follow it goes on, over rotations,
// until running is false and everything that was written has been read, or
// until ctx ends, which is no error. running may be nil without Follow.
func Read(ctx context.Context, path string, o Options, running func() bool) error {
	r, err := open(path, o)
	if err != nil {
		return err
	}
	defer r.close()
	if o.Follow {
		err = r.follow(ctx, running)
	} else {
		err = r.once(ctx)
	}
	if errors.Is(err, errLimit) || ctx.Err() != nil {
		return nil
	}
	return err
}

// reader is at one place of one file.
type reader struct {
	path    string
	file    *os.File
	out     *writer
	buf     []byte
	pending []byte // the beginning of a line whose end is not there yet
	skip    bool   // the line that pending was of is too long
}

func open(path string, o Options) (*reader, error) {
	// The runtime's path may be a link; rotation is seen where the file lies.
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(real)
	if err != nil {
		return nil, err
	}
	at, err := tailOffset(f, o.Tail)
	if err == nil {
		_, err = f.Seek(at, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &reader{path: real, file: f, out: newWriter(o), buf: make([]byte, readBlock)}, nil
}

func (r *reader) close() { _ = r.file.Close() }

// once reads to the end, and a last line without its newline.
func (r *reader) once(ctx context.Context) error {
	if err := r.drain(ctx); err != nil {
		return err
	}
	return r.flush()
}

// flush writes a last line that has no newline.
func (r *reader) flush() error {
	rest, skip := r.pending, r.skip
	r.pending, r.skip = nil, false
	if len(rest) == 0 || skip {
		return nil
	}
	return r.out.line(rest)
}

// drain reads what there is.
func (r *reader) drain(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := r.file.Read(r.buf)
		if e := r.feed(r.buf[:n]); e != nil {
			return e
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// feed cuts the bytes into lines.
func (r *reader) feed(b []byte) error {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			r.keep(b)
			return nil
		}
		if err := r.take(b[:i+1]); err != nil {
			return err
		}
		b = b[i+1:]
	}
	return nil
}

func (r *reader) keep(b []byte) {
	if r.skip || len(r.pending)+len(b) > maxLine {
		r.pending, r.skip = r.pending[:0], true
		return
	}
	r.pending = append(r.pending, b...)
}

// take writes the line that ends here.
func (r *reader) take(end []byte) error {
	whole := end
	if len(r.pending) > 0 {
		r.keep(end)
		whole = r.pending
	}
	skip := r.skip
	r.skip = false
	var err error
	if !skip {
		err = r.out.line(whole)
	}
	r.pending = r.pending[:0]
	return err
}
