package logstore

import (
	"crypto/sha256"
	"encoding/hex"
	"unicode/utf8"
)

// maxChunkID is the longest chunk id, in bytes, that is stored as it came.
const maxChunkID = 200

// chunkKey is what a chunk id is known by: itself, or where it is very long or
// no UTF-8 the hash of its bytes. Replacing bad bytes would make one of two ids.
func chunkKey(id string) string {
	if len(id) <= maxChunkID && utf8.ValidString(id) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// chunkHash stands for a chunk id: 128 bits, so that a million ids a day meet
// by accident once in 10^26 days.
type chunkHash [16]byte

func hashChunk(id string) chunkHash {
	sum := sha256.Sum256([]byte(id))
	return chunkHash(sum[:16])
}

// chunkSet remembers the ids of a day's newest chunks, between half of max and
// max of them: when the newer half is full the older one is forgotten.
type chunkSet struct {
	max          int
	newer, older map[chunkHash]struct{}
	// next is the number of the next id in the table.
	next int64
}

func newChunkSet(limit int) *chunkSet {
	return &chunkSet{max: max(limit, 2), newer: map[chunkHash]struct{}{}}
}

func (c *chunkSet) has(id string) bool {
	h := hashChunk(id)
	if _, ok := c.newer[h]; ok {
		return true
	}
	_, ok := c.older[h]
	return ok
}

// add remembers an id that was stored.
func (c *chunkSet) add(id string) {
	if len(c.newer) >= c.max/2 {
		c.older, c.newer = c.newer, map[chunkHash]struct{}{}
	}
	c.newer[hashChunk(id)] = struct{}{}
}

func (c *chunkSet) len() int { return len(c.newer) + len(c.older) }
