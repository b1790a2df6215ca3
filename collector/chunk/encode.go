package chunk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

const (
	version = 1
	// minPosition is the least number of bytes that a position takes.
	minPosition = 5*8 + 4 + 1 + 1
)

// Errors that Decode wraps.
var (
	ErrVersion = errors.New("unknown chunk version")
	ErrShort   = errors.New("chunk is cut short")
	ErrRange   = errors.New("number out of range")
	ErrSurplus = errors.New("bytes after the end of the chunk")
)

// AppendEncode appends the encoded chunk to dst.
func AppendEncode(dst []byte, c *Chunk) []byte {
	dst = append(dst, version)
	dst = appendString(dst, c.ID)
	dst = appendString(dst, c.Tag)
	dst = binary.AppendUvarint(dst, uint64(c.Count))
	dst = appendBytes(dst, c.Common)
	dst = appendBytes(dst, c.Entries)
	dst = binary.AppendUvarint(dst, uint64(len(c.Advance)))
	for i := range c.Advance {
		dst = appendPosition(dst, &c.Advance[i])
	}
	return dst
}

func appendPosition(dst []byte, p *Position) []byte {
	for _, v := range [...]uint64{p.Device, p.Inode, uint64(p.Seen), p.Fingerprint, p.Tail} {
		dst = binary.BigEndian.AppendUint64(dst, v)
	}
	dst = binary.AppendUvarint(dst, uint64(p.FingerprintLen))
	dst = binary.AppendUvarint(dst, uint64(p.End))
	for _, from := range p.From {
		dst = binary.AppendUvarint(dst, uint64(from))
	}
	done := byte(0)
	if p.Done {
		done = 1
	}
	return appendString(append(dst, done), p.Path)
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// Decode decodes a chunk. Its byte slices refer to data; it allocates no more
// than data's own length warrants. Errors wrap ErrVersion, ErrShort, ErrRange
// or ErrSurplus.
func Decode(data []byte) (Chunk, error) {
	if len(data) == 0 {
		return Chunk{}, ErrShort
	}
	if data[0] != version {
		return Chunk{}, fmt.Errorf("%w: %d", ErrVersion, data[0])
	}
	d := decoder{rest: data[1:]}
	c := Chunk{ID: string(d.bytes()), Tag: string(d.bytes())}
	c.Count = d.int()
	c.Common = d.bytes()
	c.Entries = d.bytes()
	c.Advance = d.positions()
	switch {
	case d.err != nil:
		return Chunk{}, d.err
	case len(d.rest) > 0:
		return Chunk{}, fmt.Errorf("%w: %d", ErrSurplus, len(d.rest))
	}
	return c, nil
}

// decoder takes fields off rest until the first error.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.rest = nil
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	switch {
	case n == 0:
		d.fail(ErrShort)
		return 0
	case n < 0 || v > math.MaxInt64:
		d.fail(ErrRange)
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) int() int {
	v := d.uvarint()
	if v > math.MaxInt32 {
		d.fail(fmt.Errorf("%w: %d", ErrRange, v))
		return 0
	}
	return int(v)
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.fail(fmt.Errorf("%w: field of %d bytes, %d left", ErrShort, n, len(d.rest)))
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) uint64() uint64 {
	if len(d.rest) < 8 {
		d.fail(ErrShort)
		return 0
	}
	v := binary.BigEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return v
}

func (d *decoder) positions() []Position {
	n := d.uvarint()
	if n > uint64(len(d.rest)/minPosition) {
		d.fail(fmt.Errorf("%w: %d positions in %d bytes", ErrShort, n, len(d.rest)))
		return nil
	}
	if n == 0 {
		return nil
	}
	out := make([]Position, 0, n)
	for range n {
		out = append(out, d.position())
	}
	return out
}

func (d *decoder) position() Position {
	p := Position{Device: d.uint64(), Inode: d.uint64(), Seen: int64(d.uint64()), Fingerprint: d.uint64(), Tail: d.uint64()}
	p.FingerprintLen = d.int()
	p.End = int64(d.uvarint())
	for i := range p.From {
		p.From[i] = int64(d.uvarint())
	}
	p.Done = d.uvarint() != 0
	p.Path = string(d.bytes())
	return p
}
