package forward

import (
	"bytes"
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
	r, err := gzip.NewReader(bytes.NewReader(b)) // reads several members in a row
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	defer r.Close()
	return readUpTo(r, len(b), limit)
}

// maxZstdWindow bounds what a zstd frame can make the decoder keep.
const maxZstdWindow = 32 << 20

func unzstd(b []byte, limit int) ([]byte, error) {
	r, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxZstdWindow))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	defer r.Close()
	return readUpTo(r, len(b), limit)
}

// readUpTo reads to the end, in a buffer that begins with a guess and doubles.
func readUpTo(r io.Reader, packed, limit int) ([]byte, error) {
	b := make([]byte, 0, min(max(8*packed, 4096), 32<<20, limit+1))
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > limit:
			return nil, fmt.Errorf("%w: over %d bytes when decompressed", ErrTooLong, limit)
		case err == io.EOF:
			return b, nil
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		if len(b) == cap(b) {
			b = append(make([]byte, 0, min(2*cap(b), limit+1)), b...)
		}
	}
}
