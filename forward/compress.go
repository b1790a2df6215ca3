package forward

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Names of compressions, as values of the option "compressed".
const (
	CompressionGzip = "gzip"
	CompressionZstd = "zstd"
)

// Decompress unpacks the entries of a compressed chunk; others stay as they are.
// It stops with ErrTooLong once more than limit bytes come out, whatever the
// chunk says of itself, and wraps ErrMalformed for what cannot be unpacked.
func (c *Chunk) Decompress(limit int) error {
	if c.Mode != ModeCompressed {
		return nil
	}
	var plain []byte
	var err error
	switch c.Compressed {
	case CompressionGzip:
		plain, err = gunzip(c.Entries, limit)
	case CompressionZstd:
		plain, err = unzstd(c.Entries, limit)
	default:
		return fmt.Errorf("%w: compression %.20q is not known", ErrMalformed, c.Compressed)
	}
	if err != nil {
		return fmt.Errorf("%s chunk with tag %.100q: %w", c.Compressed, c.Tag, err)
	}
	c.Entries = plain
	c.Compressed = ""
	return nil
}

func gunzip(b []byte, limit int) ([]byte, error) {
	var r gzip.Reader // reads several members in a row
	return readUpTo(&r, func() error { return r.Reset(bytes.NewReader(b)) }, len(b), limit)
}

// maxZstdWindow bounds what a zstd frame can make the decoder keep.
const maxZstdWindow = 32 << 20

func unzstd(b []byte, limit int) ([]byte, error) {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxZstdWindow))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return readUpTo(r, func() error { return r.Reset(bytes.NewReader(b)) }, len(b), limit)
}

// trusted is how much is unpacked before it is known how much there is.
const trusted = 8 << 20

// readUpTo unpacks everything. A chunk of more than the trusted size is first
// measured, and then read again into memory of its size: one that is too long
// costs time, but no memory.
func readUpTo(r io.Reader, reset func() error, packed, limit int) ([]byte, error) {
	if err := reset(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	b, err := readInto(make([]byte, 0, min(max(8*packed, 4096), trusted)), r, min(trusted, limit))
	if !errors.Is(err, ErrTooLong) || limit <= trusted {
		return b, err
	}
	total, err := measure(r, b, limit)
	if err != nil {
		return nil, err
	}
	if err := reset(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return readInto(make([]byte, 0, total+1), r, total)
}

// readInto reads to the end into b, which doubles when it is full. With more
// than limit bytes it stops with ErrTooLong, and returns what it has.
func readInto(b []byte, r io.Reader, limit int) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(make([]byte, 0, min(2*cap(b), limit+1)), b...)
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > limit:
			return b, tooLong(limit)
		case err == io.EOF:
			return b, nil
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
	}
}

// measure returns the length of what has been read and of what comes after it;
// it overwrites what has been read.
func measure(r io.Reader, read []byte, limit int) (int, error) {
	for total := len(read); ; {
		n, err := r.Read(read[:cap(read)])
		total += n
		switch {
		case total > limit:
			return 0, tooLong(limit)
		case err == io.EOF:
			return total, nil
		case err != nil:
			return 0, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
	}
}

func tooLong(limit int) error {
	return fmt.Errorf("%w: over %d bytes when decompressed", ErrTooLong, limit)
}
