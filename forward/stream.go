package forward

import (
	"fmt"
	"io"
)

// streamBuffer is read at once; a longer frame gets a buffer of its own.
const streamBuffer = 64 << 10

// stream cuts frames out of a reader. Memory that was handed out is never
// written again: frames may be kept.
type stream struct {
	source io.Reader
	limit  int // bytes of a frame

	buf   []byte // buf[start:] is read and not handed out
	start int
}

// ensure makes at least n bytes available behind start. io.EOF is returned only
// where none of them is there.
func (s *stream) ensure(n int) error {
	if len(s.buf)-s.start >= n {
		return nil
	}
	if n > s.limit {
		return fmt.Errorf("frame %w: over %d bytes", ErrTooLong, s.limit)
	}
	if cap(s.buf)-s.start < n {
		s.grow(n)
	}
	have := len(s.buf)
	read, err := io.ReadAtLeast(s.source, s.buf[have:cap(s.buf)], s.start+n-have)
	s.buf = s.buf[:have+read]
	if err == io.EOF && have > s.start {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// grow moves what is unread to a new buffer with room for n bytes and more.
func (s *stream) grow(n int) {
	have := s.buf[s.start:]
	size := max(streamBuffer, n+n/8, min(2*len(have), s.limit+streamBuffer))
	s.buf = append(make([]byte, 0, size), have...)
	s.start = 0
}

// take hands out the first n bytes.
func (s *stream) take(n int) []byte {
	b := s.buf[s.start : s.start+n : s.start+n]
	s.start += n
	return b
}

func (s *stream) at(off int) []byte { return s.buf[s.start+off:] }

// head reads the head of the value at an offset from start.
func (s *stream) head(off int) (head, error) {
	if err := s.ensure(off + 1); err != nil {
		return head{}, err
	}
	h, _, err := lead(s.at(off)[0])
	if err != nil {
		return head{}, err
	}
	if err := s.ensure(off + h.size); err != nil {
		return head{}, err
	}
	return readHead(s.at(off))
}

// walk makes the value at an offset available and returns the offset behind it.
func (s *stream) walk(off, depth int) (int, error) {
	h, err := s.head(off)
	if err != nil {
		return 0, err
	}
	off += h.size
	if n := h.payload(); n > 0 {
		return off + n, s.ensure(off + n)
	}
	children := h.children()
	if children == 0 {
		return off, nil
	}
	if depth == 0 {
		return 0, ErrDepth
	}
	if children > s.limit-off {
		return 0, fmt.Errorf("frame %w: %s of %d elements", ErrTooLong, h.kind, h.n)
	}
	for range children {
		if off, err = s.walk(off, depth-1); err != nil {
			return 0, err
		}
	}
	return off, nil
}
