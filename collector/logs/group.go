package logs

import (
	"time"

	"github.com/lubberline/lubberline/collector/chunk"
	"github.com/lubberline/lubberline/collector/logs/parse"
)

// group is the files of one source in the order they were written, with what is
// read from them but not yet on disk. For a pattern each file is a group of its
// own.
type group struct {
	source  Source
	pattern bool   // made by a pattern; the file comes from its scan
	common  []byte // see AppendCommon
	parse   func([]byte, *parse.Line) bool

	dir, base string // of a container's files
	scanned   time.Time
	scanDue   bool
	known     bool // has been scanned before

	files []*file // oldest first
	front *file   // the newest one that was read from
	joins [chunk.Streams]join
	// parted are the contents that were let go of while a record that lies in
	// them was open.
	parted []contentKey

	entries []byte // of the chunk being built
	count   int
	extra   []chunk.Position // of contents that are gone since the last chunk
	busy    bool             // the last turn ended before the end of the files

	removed   bool
	removedAt time.Time
	ended     bool
}

// join is a record whose last part has not come.
type join struct {
	open  bool
	buf   []byte
	time  int64 // of the first part
	file  *file // where the first part is
	start int64
	since time.Time // of the newest part
}

// current is the file that is written to; nil when there is none.
func (g *group) current() *file {
	if len(g.files) == 0 {
		return nil
	}
	return g.files[len(g.files)-1]
}

// reorder takes a new order of files.
func (g *group) reorder(files []*file) {
	for _, f := range g.files {
		f.order = -1
	}
	g.files = files
	for i, f := range files {
		f.order = i
	}
}

// drop takes a file out of the group.
func (g *group) drop(f *file) {
	kept := make([]*file, 0, len(g.files))
	for _, other := range g.files {
		if other != f {
			kept = append(kept, other)
		}
	}
	g.reorder(kept)
}

// late says that a newer file has been read from already: what comes from f now
// is out of order, and is joined with nothing.
func (g *group) late(f *file) bool { return g.front != nil && f.order < g.front.order }

// position is how far f is read, once what is in the group's chunk is on disk.
func (g *group) position(f *file) chunk.Position {
	p := chunk.Position{End: f.offset, Tail: f.tail}
	if f.resume != nil {
		p = *f.resume
	} else {
		for s := range p.From {
			p.From[s] = g.from(f, s)
		}
	}
	p.Device, p.Inode, p.Seen = f.id.device, f.id.inode, f.seen
	p.Fingerprint, p.FingerprintLen = f.head, f.headLen
	p.Path, p.Done = f.path, f.done && p.Start() == p.End
	return p
}

// from is the offset in f from which a stream's lines are not emitted.
func (g *group) from(f *file, stream int) int64 {
	j := &g.joins[stream]
	switch {
	case !j.open || f.order < j.file.order:
		return f.offset
	case f == j.file:
		return j.start
	}
	return 0 // the record began in an older file and goes on through this one
}

// advance returns the positions that go with the chunk being closed.
func (g *group) advance() []chunk.Position {
	out := append([]chunk.Position(nil), g.extra...)
	g.extra = g.extra[:0]
	for _, f := range g.files {
		if f.dirty {
			out = append(out, g.position(f))
			f.dirty = false
		}
	}
	return out
}

// touch marks the files that a finished record lay in.
func (g *group) touch(j *join, last *file) {
	for _, f := range g.files {
		if f.order >= j.file.order && f.order <= last.order {
			f.dirty = true
		}
	}
}
