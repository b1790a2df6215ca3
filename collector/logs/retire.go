package logs

import (
	"slices"

	"github.com/lubberline/lubberline/collector/chunk"
)

// pastKept bounds how many finished contents are remembered here; the positions
// have them too, once they are on disk.
const pastKept = 256

// retire lets go of files to which nothing will be added, ends records that
// waited too long, and ends sources that were removed.
func (t *Tailer) retire(g *group) {
	if g.busy {
		t.shedOldest(g)
		return
	}
	for s := range g.joins {
		if j := &g.joins[s]; j.open && t.now.Sub(j.since) > t.options.PartialWait {
			t.finish(g, s, g.current())
			t.turn.split++
		}
	}
	for _, f := range slices.Clone(g.files) {
		t.retireFile(g, f)
	}
	t.shedOldest(g)
	quiet := g.removed && t.now.Sub(g.removedAt) >= t.options.RemoveWait
	if g.pattern && len(g.files) == 0 || quiet && t.allQuiet(g) {
		t.end(g)
	}
}

func (t *Tailer) retireFile(g *group, f *file) {
	switch {
	case f.packed && f.h != noHandle && !f.fresh && f.atEnd():
		t.takeRest(g, f)
		f.done, f.dirty = true, true
		t.closeFile(f)
	case !f.listed && t.quiet(f):
		t.takeRest(g, f)
		if g.pattern {
			t.finishAll(g, f)
		}
		t.forget(g, f)
	case f.listed && f.h != noHandle && f.atEnd() && t.now.Sub(f.grown) >= t.options.RotateWait && (g.pattern || f != g.current()):
		if !g.pattern {
			t.takeRest(g, f)
		}
		t.closeFile(f)
	}
}

// quiet says that a file out of sight has been read and has not grown lately.
func (t *Tailer) quiet(f *file) bool {
	wait := t.options.RotateWait
	if f.unlinked {
		wait = t.options.RemoveWait
	}
	return (f.atEnd() || f.fresh && f.size <= 0 || f.copyOf != nil) && t.now.Sub(f.grown) >= wait
}

func (t *Tailer) allQuiet(g *group) bool {
	for _, f := range g.files {
		if !f.fresh && f.copyOf == nil && !f.atEnd() || t.now.Sub(f.grown) < t.options.RemoveWait {
			return false
		}
	}
	return true
}

// end lets go of a source.
func (t *Tailer) end(g *group) {
	for _, f := range g.files {
		t.takeRest(g, f)
	}
	t.finishAll(g, nil)
	for _, f := range slices.Clone(g.files) {
		t.forget(g, f)
	}
	g.ended = true
}

// shedOldest gives up the oldest deleted files when too many are held.
func (t *Tailer) shedOldest(g *group) {
	var held []*file
	for _, f := range g.files {
		if f.unlinked && f.h != noHandle {
			held = append(held, f)
		}
	}
	for len(held) > t.options.MaxHeld {
		f := held[0]
		held = held[1:]
		in, err := f.h.stat()
		unread := max(0, in.size-f.offset)
		if err == nil && unread > 0 {
			t.metrics.shedFiles.Inc()
			t.metrics.shedBytes.Add(float64(unread))
			t.complain("shed", "too many deleted log files are unread, giving up the oldest",
				"source", g.source.ID, "path", f.path, "bytes", unread)
		}
		t.finishAll(g, f)
		t.forget(g, f)
	}
}

// rewritten begins a file anew: it was truncated, or another content was put in
// its place.
func (t *Tailer) rewritten(g *group, f *file) {
	t.metrics.truncations.Inc()
	t.finishAll(g, f)
	t.archive(g, f)
	delete(t.live, f.name())
	f.begin(0, 0)
	f.fresh = true   // it may have become a copy of another
	g.scanDue = true // a copy may be about
	for _, p := range t.patterns {
		p.due = true
	}
}

// archive remembers how far a content was read that is about to go.
func (t *Tailer) archive(g *group, f *file) {
	if f.fresh || f.copyOf != nil || f.headLen == 0 || f.seen == 0 {
		return
	}
	p := g.position(f)
	if p.Start() < p.End {
		g.parted = append(g.parted, keyOf(&p))
	}
	if f.dirty {
		g.extra = append(g.extra, p)
		f.dirty = false
	}
	t.past = slices.DeleteFunc(t.past, func(o chunk.Position) bool { return keyOf(&o) == keyOf(&p) })
	t.past = append(t.past, p)
	if len(t.past) > pastKept {
		t.past = slices.Delete(t.past, 0, len(t.past)-pastKept)
	}
}

// settleParted notes that a stream's open record is complete: what is known of
// files that were let go of before is out of date.
func (t *Tailer) settleParted(g *group, stream int) {
	if len(g.parted) == 0 {
		return
	}
	for i := range t.past {
		p := &t.past[i]
		if p.From[stream] < p.End && slices.Contains(g.parted, keyOf(p)) {
			p.From[stream] = p.End
			g.extra = append(g.extra, *p)
		}
	}
	if !g.joins[0].open && !g.joins[1].open {
		g.parted = nil
	}
}

// takeOver makes p, where a content let go of ended, the position at which f, a
// copy of it, goes on. The parts of an open record are here already: they are
// taken to lie in f from now on.
func (g *group) takeOver(f *file, p chunk.Position) chunk.Position {
	if !slices.Contains(g.parted, keyOf(&p)) {
		return p
	}
	original := keyOf(&p)
	for s := range g.joins {
		j := &g.joins[s]
		if !j.open {
			continue
		}
		p.From[s] = p.End
		if j.file.name() == original {
			j.file = f
		}
	}
	return p
}

// forget drops a file. Its position stays known.
func (t *Tailer) forget(g *group, f *file) {
	t.archive(g, f)
	t.closeFile(f)
	if t.live[f.name()] == f {
		delete(t.live, f.name())
	}
	if t.owners[f.id] == g {
		delete(t.owners, f.id)
	}
	f.order = -1
	g.drop(f)
}

func (t *Tailer) closeFile(f *file) {
	if f.h != noHandle {
		f.h.close()
		f.h = noHandle
		t.openFiles--
	}
	f.unread = 0
}
