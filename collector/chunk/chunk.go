package chunk

// Chunk is the records of one source. Byte slices of a decoded chunk refer to
// the data it was decoded from.
type Chunk struct {
	// ID is the chunk id that a forward client gave; empty for tailed files,
	// whose id is made of the spool's id and the entry's sequence number.
	ID string
	// Tag is the forward protocol's tag.
	Tag string
	// Count is the number of entries.
	Count int
	// Common is a msgpack map of the fields that all the records have; empty
	// when there are none.
	Common []byte
	// Entries are packed forward entries: msgpack [EventTime, map] one after
	// the other.
	Entries []byte
	// Advance is how far files are done with once this chunk is on disk.
	Advance []Position
}

// Streams is the number of a container's output streams that a Position tells
// apart: 0 is stdout, and anything that is not stderr; 1 is stderr.
const Streams = 2

// Position is how far one file has been read into the spool. The file is known
// by Device, Inode and the hash of its first bytes, since names change on
// rotation and inodes are used again. For a compressed file the hashes and
// offsets are those of its content.
type Position struct {
	Device, Inode uint64
	// Seen is when this content of the inode was first seen, in nanoseconds
	// since the epoch. A file that is truncated or takes over an inode is another
	// one; Device, Inode and Seen together name it.
	Seen int64
	// Fingerprint is the hash of the first FingerprintLen bytes, which is
	// less than the usual length while a file is short.
	Fingerprint    uint64
	FingerprintLen int
	// Tail is the hash of the last bytes before End; it tells a file that went
	// on from one that was written anew with the same beginning.
	Tail uint64
	// End is the end of the last line that has been read.
	End int64
	// From is, for each stream, the offset from which its lines are not in the
	// spool yet: End, or the start of a record whose last part has not come.
	From [Streams]int64
	// Done says that nothing more can come: a compressed file read to its end.
	Done bool
	// Path is where the file was last seen.
	Path string
}

// Start is the offset at which reading has to resume.
func (p Position) Start() int64 {
	start := p.End
	for _, from := range p.From {
		start = min(start, from)
	}
	return start
}
