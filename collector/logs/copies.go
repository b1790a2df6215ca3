package logs

import (
	"bytes"
	"cmp"
	"path/filepath"
	"slices"

	"github.com/lubberline/lubberline/collector/chunk"
)

// pendingCopy is a file that begins as another one that is being read: a copy
// made before the other is truncated, unless it turns out to go on differently.
// Nothing is read from it until one or the other shows.
type pendingCopy struct {
	original contentKey
	equal    int64 // bytes from the beginning known to be the same
}

// livingOriginal returns a file being read that f may be a copy of.
func (t *Tailer) livingOriginal(f *file, head []byte) *file {
	for _, g := range t.groups {
		for _, o := range g.files {
			if !t.beginsAs(o, f, head) {
				continue
			}
			if !o.fresh && !t.asItWas(o) {
				t.rewritten(g, o)
			}
			if o.fresh {
				t.ready(g, o) // ends: each original's name is shorter than its copy's
			}
			if !o.fresh && o.copyOf == nil && o.h != noHandle {
				return o
			}
		}
	}
	return nil
}

// asItWas says that a file has not been truncated since its last turn.
func (t *Tailer) asItWas(o *file) bool {
	in, err := o.h.stat()
	if err != nil {
		return true
	}
	same, err := t.sameContent(o, in)
	return same || err != nil
}

// beginsAs says that f, which begins with head, may be a copy of o.
func (t *Tailer) beginsAs(o, f *file, head []byte) bool {
	if o == f || o.h == noHandle || o.copyOf != nil || o.packed ||
		filepath.Dir(o.path) != filepath.Dir(f.path) || !derives(filepath.Base(f.path), filepath.Base(o.path)) {
		return false
	}
	n, err := o.h.read(t.compareBuf[:len(head)], 0)
	return err == nil && bytes.Equal(t.compareBuf[:n], head)
}

// settleCopy compares a pending copy with its original; true once it can be
// read.
func (t *Tailer) settleCopy(g *group, f *file) bool {
	c := f.copyOf
	in, err := f.h.stat()
	if err != nil {
		t.complainRead(f.path, err)
		return false
	}
	o := t.live[c.original]
	if o == nil || o.h == noHandle {
		return t.inherit(g, f, in.size)
	}
	now, err := o.h.stat()
	if err != nil || now.size < o.offset {
		return false // it was truncated: that shows at its next turn
	}
	limit := min(in.size, now.size)
	if c.equal = t.compare(f.h, o.h, c.equal, limit); c.equal < limit || in.size > now.size {
		return t.diverged(f, min(c.equal, o.offset))
	}
	return false
}

// compare returns how far two files are equal, between two offsets.
func (t *Tailer) compare(a, b handle, from, to int64) int64 {
	half := len(t.compareBuf) / 2
	for from < to {
		want := int(min(int64(half), to-from))
		left, right := t.compareBuf[:want], t.compareBuf[half:half+want]
		n, errA := a.read(left, from)
		m, errB := b.read(right, from)
		if errA != nil || errB != nil || n < want || m < want {
			return from
		}
		if !bytes.Equal(left, right) {
			for i := range left {
				if left[i] != right[i] {
					return from + int64(i)
				}
			}
		}
		from += int64(want)
	}
	return from
}

// inherit goes on in a copy where the reading of its original ended.
func (t *Tailer) inherit(g *group, f *file, size int64) bool {
	c := f.copyOf
	all := t.positions(func(p *chunk.Position) bool { return keyOf(p) == c.original })
	if len(all) == 0 {
		return t.diverged(f, 0)
	}
	p := all[0]
	if p.End <= size && tailFits(&p, f.h) {
		t.metrics.copies.Inc()
		t.adopt(g, f, p)
		return true
	}
	return t.diverged(f, min(c.equal, p.End))
}

// diverged reads a file on its own from the line that contains an offset.
func (t *Tailer) diverged(f *file, equal int64) bool {
	f.begin(t.nextSeen(), t.lineStart(f.h, equal))
	t.keepEnds(f)
	f.dirty = true
	return true
}

func sortNewest(positions []chunk.Position) []chunk.Position {
	slices.SortFunc(positions, func(a, b chunk.Position) int { return cmp.Compare(b.Seen, a.Seen) })
	return positions
}
