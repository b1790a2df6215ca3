package position

import "github.com/cespare/xxhash/v2"

const (
	// HeadBytes is how much of a file's beginning makes its fingerprint.
	HeadBytes = 1024
	// TailBytes is how much before an offset makes its tail hash.
	TailBytes = 256
)

// Head is the fingerprint of a file of which b is the beginning, and the number
// of bytes that it covers.
func Head(b []byte) (hash uint64, length int) {
	b = b[:min(len(b), HeadBytes)]
	return xxhash.Sum64(b), len(b)
}

// Tail is the hash of the end of b.
func Tail(b []byte) uint64 {
	return xxhash.Sum64(b[len(b)-min(len(b), TailBytes):])
}
