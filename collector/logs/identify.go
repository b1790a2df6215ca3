package logs

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lubberline/lubberline/collector/chunk"
	"github.com/lubberline/lubberline/collector/logs/position"
)

// identify finds out whether a file that was just opened is known, and where to
// go on reading. False: it cannot be told yet.
func (t *Tailer) identify(g *group, f *file) bool {
	if f.packed {
		return t.identifyPacked(g, f)
	}
	in, err := f.h.stat()
	if err != nil {
		t.complainRead(f.path, err)
		return false
	}
	if in.size == 0 {
		return false
	}
	n, err := f.h.read(t.headBuf[:], 0)
	if err != nil {
		t.complainRead(f.path, err)
		return false
	}
	head := bytes.Clone(t.headBuf[:n])
	for _, p := range t.known(f.id) {
		if fits(&p, head, in.size) && tailFits(&p, f.h) {
			f.goOn(p.Seen, p)
			t.keepEnds(f)
			return true
		}
	}
	if o := t.livingOriginal(f, head); o != nil {
		f.fresh, f.copyOf = false, &pendingCopy{original: o.name()}
		return true
	}
	p, found, wait := t.original(f, head, in.size, func(p *chunk.Position) bool { return tailFits(p, f.h) })
	switch {
	case wait:
		return false
	case found:
		t.metrics.copies.Inc()
		t.adopt(g, f, p)
	default:
		t.beginNew(g, f, in.size)
	}
	return true
}

// beginNew starts reading a file that nothing is known of.
func (t *Tailer) beginNew(g *group, f *file, size int64) {
	f.begin(t.nextSeen(), 0)
	if g.source.FromEnd && !g.known && size > 0 {
		f.offset = t.lineStart(f.h, size)
		f.dirty = true
	}
	t.keepEnds(f)
}

// adopt makes f go on where another content ended.
func (t *Tailer) adopt(g *group, f *file, p chunk.Position) {
	f.goOn(t.nextSeen(), g.takeOver(f, p))
	t.keepEnds(f)
	f.dirty = true
}

// keepEnds takes the fingerprint, and the hash of what is before the offset.
func (t *Tailer) keepEnds(f *file) {
	if n, err := f.h.read(t.headBuf[:], 0); err == nil {
		f.head, f.headLen = position.Head(t.headBuf[:n])
	}
	tail := t.headBuf[:min(f.offset, position.TailBytes)]
	if n, err := f.h.read(tail, f.offset-int64(len(tail))); err == nil && n == len(tail) {
		f.setTail(tail, f.offset-int64(n))
	}
}

// lineStart is the offset behind the last newline before limit.
func (t *Tailer) lineStart(h handle, limit int64) int64 {
	for limit > 0 {
		from := max(0, limit-int64(len(t.headBuf)))
		n, err := h.read(t.headBuf[:limit-from], from)
		if err != nil {
			return from
		}
		for i := n - 1; i >= 0; i-- {
			if t.headBuf[i] == '\n' {
				return from + int64(i) + 1
			}
		}
		limit = from
	}
	return 0
}

// known returns what is known of an inode's contents, the newest first.
func (t *Tailer) known(id fileID) []chunk.Position {
	return t.positions(func(p *chunk.Position) bool { return p.Device == id.device && p.Inode == id.inode })
}

// positions returns all known positions that match, the newest first, those of
// contents that are read no more but not yet on disk included.
func (t *Tailer) positions(match func(*chunk.Position) bool) []chunk.Position {
	var out []chunk.Position
	have := make(map[contentKey]bool)
	for i := range slices.Backward(t.past) {
		if p := &t.past[i]; match(p) {
			out, have[keyOf(p)] = append(out, *p), true
		}
	}
	for _, p := range t.options.Positions.Select(match) {
		if !have[keyOf(&p)] {
			out = append(out, p)
		}
	}
	return sortNewest(out)
}

// original looks for a content that is read no more and of which f is a copy;
// verify compares the bytes before the position's end. When such a content is
// still open (it may have been truncated a moment ago), f has to wait for it.
func (t *Tailer) original(f *file, head []byte, size int64, verify func(*chunk.Position) bool) (best chunk.Position, found, wait bool) {
	dir, name := filepath.Split(f.path)
	dir = filepath.Clean(dir)
	for _, p := range t.positions(func(p *chunk.Position) bool { return filepath.Dir(p.Path) == dir }) {
		if !mayBeCopy(name, filepath.Base(p.Path), p.End) || !fits(&p, head, size) || !verify(&p) {
			continue
		}
		if o := t.live[keyOf(&p)]; o != nil && o != f && o.h != noHandle {
			wait = true
		}
		if !found || p.End > best.End {
			best, found = p, true
		}
	}
	return best, found, wait
}

// mayBeCopy says whether a file's name is one that rotation may have given to a
// copy of another. Under the same name only much equal content counts: short
// files begin alike too often.
func mayBeCopy(name, original string, equal int64) bool {
	if name == original {
		return equal >= position.HeadBytes
	}
	root := rotationRoot(name)
	return root != name && root == rotationRoot(original)
}

// rotationRoot is a file's name without what rotation appends to it: ".gz", and
// numbers or dates.
func rotationRoot(name string) string {
	name = strings.TrimSuffix(name, packedSuffix)
	if root := strings.TrimRight(name, "0123456789-._:TZ"); root != "" {
		return root
	}
	return name
}

// derives says whether name is original with something inserted at its end or
// before its extension: "a.log.1" and "a-20261124.log" derive from "a.log".
func derives(name, original string) bool {
	if len(name) <= len(original) {
		return false
	}
	extension := filepath.Ext(original)
	stem := strings.TrimSuffix(original, extension)
	return strings.HasPrefix(name, original) || stem != "" && strings.HasPrefix(name, stem) && strings.HasSuffix(name, extension)
}
