package logs

import (
	"time"

	"github.com/lubberline/lubberline/collector/chunk"
	"github.com/lubberline/lubberline/collector/logs/position"
)

// file is one file of a source: the one that is written to, or one that
// rotation has put aside.
type file struct {
	h    handle // noHandle while it is idle
	id   fileID
	seen int64 // when this content was first seen; see chunk.Position
	path string

	fresh   bool // not known yet whether it goes on from something
	packed  bool // compressed; h is the file itself until it is unpacked
	broken  bool // compressed content that does not unpack, so far
	done    bool // nothing more can come
	head    uint64
	headLen int
	offset  int64 // of the first line not read
	tail    uint64
	tailLen int // bytes before offset that tail covers: position.TailBytes, or all there are

	resume *chunk.Position // what is in the spool beyond offset already
	copyOf *pendingCopy    // it begins like another file that is still read

	size, modified int64     // at the last look that found nothing more to read
	grown          time.Time // when that last changed
	unread         int64     // bytes beyond offset at the last look
	listed         bool      // the last scan found it
	unlinked       bool
	dirty          bool // offset moved since the last chunk
	order          int  // index in its group
}

// name is the key of the file's content.
func (f *file) name() contentKey { return contentKey{f.id, f.seen} }

// contentKey names a content of an inode.
type contentKey struct {
	id   fileID
	seen int64
}

func keyOf(p *chunk.Position) contentKey {
	return contentKey{fileID{p.Device, p.Inode}, p.Seen}
}

// atEnd says that the last look found nothing more to read.
func (f *file) atEnd() bool { return f.done || f.size >= 0 && !f.fresh && f.copyOf == nil }

// look notes that everything up to size has been read.
func (f *file) look(in info, now time.Time) {
	if f.size != in.size || f.modified != in.modified {
		f.grown = now
	}
	f.size, f.modified = in.size, in.modified
	f.unread = max(0, in.size-f.offset)
}

// begin makes f a new content, read from an offset on.
func (f *file) begin(seen, offset int64) {
	f.seen = seen
	f.fresh, f.copyOf, f.resume = false, nil, nil
	f.headLen, f.tailLen = 0, 0
	f.offset = offset
	f.size = -1
}

// goOn makes f go on where p stands.
func (f *file) goOn(seen int64, p chunk.Position) {
	f.begin(seen, p.Start())
	if p.Start() < p.End {
		f.resume = &p
	}
}

// skips says that a line of a stream that begins at start is in the spool
// already. Lines without a stream have no parts: those up to the end are.
func (f *file) skips(stream int, start int64) bool {
	if f.resume == nil {
		return false
	}
	if start >= f.resume.End {
		f.resume = nil
		return false
	}
	if stream >= chunk.Streams {
		return true
	}
	return start < f.resume.From[stream]
}

// hasHead says whether b, the beginning of the file as it is now, fits the
// fingerprint, and takes a longer one.
func (f *file) hasHead(b []byte) bool {
	if len(b) < f.headLen {
		return false
	}
	if f.headLen > 0 {
		if hash, _ := position.Head(b[:f.headLen]); hash != f.head {
			return false
		}
	}
	f.head, f.headLen = position.Head(b)
	return true
}

// fits says whether content with the given beginning and size goes on from p.
func fits(p *chunk.Position, head []byte, size int64) bool {
	if p.FingerprintLen == 0 || p.FingerprintLen > len(head) || p.End > size {
		return false
	}
	hash, _ := position.Head(head[:p.FingerprintLen])
	return hash == p.Fingerprint
}

// tailFits says whether the bytes before p.End are those that were read.
func tailFits(p *chunk.Position, h handle) bool {
	var buf [position.TailBytes]byte
	b := buf[:min(p.End, position.TailBytes)]
	n, err := h.read(b, p.End-int64(len(b)))
	return err == nil && n == len(b) && position.Tail(b) == p.Tail
}
