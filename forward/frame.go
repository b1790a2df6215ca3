package forward

import (
	"errors"
	"fmt"
	"io"
)

// Mode is the form in which a frame came.
type Mode uint8

// The modes of the protocol.
const (
	ModeMessage Mode = iota
	ModeForward
	ModePacked
	ModeCompressed
	modes
)

var modeNames = [modes]string{"message", "forward", "packed_forward", "compressed_packed_forward"}

func (m Mode) String() string { return modeNames[m] }

// Chunk is one frame.
type Chunk struct {
	FrameOptions
	// Tag is the frame's tag.
	Tag string
	// Entries are packed entries, for an Iterator. Nobody else writes to that
	// memory, so it may be kept.
	Entries []byte
	// Mode is the form in which it came.
	Mode Mode
	// Remote is the peer's address, for log records.
	Remote string
	// Peer is the common name of the certificate that the peer has shown, which
	// TLS has verified; empty without one.
	Peer string
}

const (
	defaultChunkBytes        = 64 << 20
	defaultDecompressedBytes = 256 << 20
	// maxTagBytes is the longest tag.
	maxTagBytes = 64 << 10
)

// Decoder reads frames from a connection in any of the protocol's forms.
type Decoder struct {
	stream stream
	limits Limits
	// reserve is called before a frame's body of n bytes is read; may be nil.
	reserve func(n int) error
	json    *jsonDecoder
	begun   bool
}

// NewDecoder reads from r. Of limits it keeps ChunkBytes and DecompressedBytes.
func NewDecoder(r io.Reader, limits Limits) *Decoder {
	limits.complete()
	return &Decoder{stream: stream{source: r, limit: limits.ChunkBytes}, limits: limits}
}

// IsJSON tells whether the peer speaks JSON, and so must be answered in it.
func (d *Decoder) IsJSON() bool { return d.json != nil }

// Next reads one frame as it is on the wire; Decompress is still to be called.
// It returns io.EOF at a clean end, and otherwise the reader's error or one that
// wraps ErrMalformed, ErrDepth or ErrTooLong, after which the stream is of no
// use.
func (d *Decoder) Next() (*Chunk, error) {
	if !d.begun {
		if err := d.begin(); err != nil {
			return nil, err
		}
	}
	if d.json != nil {
		return d.json.next()
	}
	if err := d.skipNils(); err != nil {
		return nil, err
	}
	c, err := d.frame()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return c, err
}

// begin finds out which of the two encodings the peer speaks.
func (d *Decoder) begin() error {
	if err := d.stream.ensure(1); err != nil {
		return err
	}
	d.begun = true
	if first := d.stream.at(0)[0]; first == '{' || first == '[' {
		d.json = newJSONDecoder(io.MultiReader(&unread{d.stream.at(0)}, d.stream.source), d.limits.ChunkBytes)
	}
	return nil
}

// unread reads bytes that were read ahead.
type unread struct{ b []byte }

func (u *unread) Read(p []byte) (int, error) {
	if len(u.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, u.b)
	u.b = u.b[n:]
	return n, nil
}

// skipNils passes over keep-alives, and waits for a frame's first byte.
func (d *Decoder) skipNils() error {
	for {
		if err := d.stream.ensure(1); err != nil {
			return err
		}
		if d.stream.at(0)[0] != 0xc0 {
			return nil
		}
		d.stream.take(1)
	}
}

func (d *Decoder) frame() (*Chunk, error) {
	s := &d.stream
	h, err := s.head(0)
	if err != nil {
		return nil, err
	}
	if h.kind != kindArray || h.n < 2 || h.n > 4 {
		return nil, fmt.Errorf("%w: frame is %s of %d", ErrMalformed, h.kind, h.n)
	}
	tagAt := h.size
	tag, err := s.head(tagAt)
	if err != nil {
		return nil, err
	}
	if tag.kind != kindString && tag.kind != kindBinary {
		return nil, fmt.Errorf("%w: tag is %s", ErrMalformed, tag.kind)
	}
	if tag.n > maxTagBytes {
		return nil, fmt.Errorf("tag %w: %d bytes", ErrTooLong, tag.n)
	}
	body := tagAt + tag.size + tag.n
	second, err := s.head(body)
	if err != nil {
		return nil, err
	}
	c := &Chunk{Tag: string(s.at(tagAt + tag.size)[:tag.n])}
	return c, d.body(c, h.n, body, second)
}

// body reads a frame of n elements from its second one on, which is at an offset
// and begins with h.
func (d *Decoder) body(c *Chunk, n, at int, h head) error {
	s := &d.stream
	elements := 2
	end, err := 0, error(nil)
	from := at
	switch h.kind {
	case kindArray:
		c.Mode = ModeForward
		from += h.size
		end, err = s.walk(at, MaxDepth)
	case kindString, kindBinary:
		c.Mode = ModePacked
		from += h.size
		end, err = d.packed(from, h.n)
	default:
		c.Mode = ModeMessage
		elements = 3
		end, err = d.message(n, at)
	}
	if err != nil {
		return fmt.Errorf("%s frame with tag %.100q: %w", c.Mode, c.Tag, noEOF(err))
	}
	total := end
	if n > elements {
		if total, err = s.walk(end, MaxDepth); err != nil {
			return fmt.Errorf("options of frame with tag %.100q: %w", c.Tag, noEOF(err))
		}
		if c.FrameOptions, err = parseOptions(s.at(end)[:total-end]); err != nil {
			return fmt.Errorf("frame with tag %.100q: %w", c.Tag, err)
		}
	}
	raw := s.take(total)
	if c.Mode == ModeMessage { // the byte before the time is the tag's last: make it the entry's head
		from--
		raw[from] = 0x92
	}
	c.Entries = raw[from:end:end]
	if c.Mode == ModePacked && c.Compressed != "" {
		c.Mode = ModeCompressed
	}
	return nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (d *Decoder) packed(from, n int) (int, error) {
	if n > d.limits.ChunkBytes {
		return 0, fmt.Errorf("%w: %d bytes, at most %d are taken", ErrTooLong, n, d.limits.ChunkBytes)
	}
	if d.reserve != nil {
		if err := d.reserve(n); err != nil {
			return 0, err
		}
	}
	return from + n, d.stream.ensure(from + n)
}

func (d *Decoder) message(n, at int) (int, error) {
	if n < 3 {
		return 0, fmt.Errorf("%w: no record", ErrMalformed)
	}
	end, err := d.stream.walk(at, MaxDepth)
	if err != nil {
		return 0, err
	}
	return d.stream.walk(end, MaxDepth)
}

// isPeersFault tells a bad frame from a broken connection.
func isPeersFault(err error) bool {
	return errors.Is(err, ErrMalformed) || errors.Is(err, ErrDepth) || errors.Is(err, ErrTooLong) || errors.Is(err, ErrShort)
}
