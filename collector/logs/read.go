package logs

import (
	"bytes"

	"github.com/lubberline/lubberline/collector/logs/position"
)

// minTaken is what a look at a file costs of a turn's budget at least, so that
// every turn ends.
const minTaken = 512

// turnOf reads from the files of a group in order, at most a block of bytes.
func (t *Tailer) turnOf(g *group) {
	budget := t.options.BlockBytes
	g.busy = false
	for i := 0; i < len(g.files); i++ {
		f := g.files[i]
		if f.h == noHandle || f.done {
			continue
		}
		if !t.ready(g, f) {
			continue
		}
		if !t.readFile(g, f, &budget) {
			g.busy = true
			return
		}
	}
}

// ready says that it is known where to read f from.
func (t *Tailer) ready(g *group, f *file) bool {
	if !f.fresh && f.copyOf == nil {
		return !f.done
	}
	if f.fresh && !t.identify(g, f) || f.copyOf != nil && !t.settleCopy(g, f) {
		return false
	}
	t.live[f.name()] = f
	return !f.done
}

// readFile reads until the end of the file, or until the budget is spent; it
// returns whether it came to the end.
func (t *Tailer) readFile(g *group, f *file, budget *int) bool {
	for {
		in, err := f.h.stat()
		if err != nil {
			t.complainRead(f.path, err)
			return true
		}
		if in.size == f.size && in.modified == f.modified {
			return true
		}
		if *budget <= 0 {
			return false
		}
		ok, err := t.sameContent(f, in)
		if err != nil {
			t.complainRead(f.path, err)
			return true
		}
		if !ok {
			if t.rewritten(g, f); !t.ready(g, f) {
				return true
			}
			continue
		}
		n, intact, err := t.readBlock(g, f, in.size)
		if err != nil {
			t.complainRead(f.path, err)
			return true
		}
		if !intact {
			if t.rewritten(g, f); !t.ready(g, f) {
				return true
			}
			continue
		}
		*budget -= max(n, minTaken)
		if t.readTo >= in.size {
			f.look(in, t.now)
			return true
		}
	}
}

// sameContent says whether the file still begins as it did.
func (t *Tailer) sameContent(f *file, in info) (bool, error) {
	if in.size < f.offset || f.resume != nil && in.size < f.resume.End {
		return false, nil
	}
	n, err := f.h.read(t.headBuf[:], 0)
	if err != nil {
		return false, err
	}
	return f.hasHead(t.headBuf[:n]), nil
}

// readBlock reads from the file's offset on and takes the lines that are whole.
// It returns the bytes taken, and whether what is before the offset is as it
// was. t.readTo is how far it has looked.
func (t *Tailer) readBlock(g *group, f *file, size int64) (int, bool, error) {
	for {
		base := f.offset - int64(f.tailLen)
		want := min(int64(len(t.block)), size-base)
		data := t.block[:want]
		n, err := f.h.read(data, base)
		if err != nil {
			return 0, true, err
		}
		data = data[:n]
		if n < f.tailLen || f.tailLen > 0 && position.Tail(data[:f.tailLen]) != f.tail {
			return 0, false, nil
		}
		t.readTo = base + int64(n)
		taken := t.takeLines(g, f, data[f.tailLen:], f.offset)
		if taken == 0 && n == len(t.block) {
			if t.growBlock() {
				continue
			}
			taken = t.takeLongLine(g, f, data[f.tailLen:])
		}
		f.setTail(data[:f.tailLen+taken], base)
		return taken, true, nil
	}
}

// setTail notes what is before the offset: the end of b, which begins at base
// and has position.TailBytes, or the whole beginning of the file.
func (f *file) setTail(b []byte, base int64) {
	f.offset = base + int64(len(b))
	f.tailLen = min(len(b), position.TailBytes)
	f.tail = position.Tail(b)
	if f.resume != nil && f.offset >= f.resume.End {
		f.resume = nil
	}
}

// takeLines takes the whole lines in data, which begins at an offset, and
// returns how many bytes they are.
func (t *Tailer) takeLines(g *group, f *file, data []byte, offset int64) int {
	taken := 0
	for {
		i := bytes.IndexByte(data[taken:], '\n')
		if i < 0 {
			break
		}
		start := offset + int64(taken)
		t.line(g, f, data[taken:taken+i], start)
		taken += i + 1
	}
	if taken > 0 {
		t.took(g, f, taken)
	}
	return taken
}

func (t *Tailer) took(g *group, f *file, bytes int) {
	t.turn.bytes += bytes
	f.dirty = true
	if g.front == nil || g.front.order < f.order {
		g.front = f
	}
}

// growBlock makes room for a longer line, within what a record's escapes can
// make of it.
func (t *Tailer) growBlock() bool {
	limit := 2*t.options.MaxRecord + position.TailBytes
	if len(t.block) >= limit {
		return false
	}
	t.block = make([]byte, min(2*len(t.block), limit))
	return true
}

// takeLongLine takes a piece of a line that is too long to be read whole, as
// plain text: nothing is lost, and reading goes on.
func (t *Tailer) takeLongLine(g *group, f *file, data []byte) int {
	t.turn.split++
	t.rawLine(g, f, data, f.offset)
	t.took(g, f, len(data))
	return len(data)
}

// rawLine emits bytes as they are.
func (t *Tailer) rawLine(g *group, f *file, data []byte, start int64) {
	parser := g.parse
	g.parse = plain
	t.line(g, f, data, start)
	g.parse = parser
}

// takeRest takes an unterminated line at the end of a file to which nothing
// will be added.
func (t *Tailer) takeRest(g *group, f *file) {
	if f.h == noHandle || f.fresh || f.copyOf != nil {
		return
	}
	base := f.offset - int64(f.tailLen)
	in, err := f.h.stat()
	if err != nil || in.size <= f.offset || in.size-base > int64(len(t.block)) {
		return
	}
	data := t.block[:in.size-base]
	n, err := f.h.read(data, base)
	if err != nil || n <= f.tailLen {
		return
	}
	t.line(g, f, data[f.tailLen:n], f.offset)
	t.took(g, f, n-f.tailLen)
	f.setTail(data[:n], base)
	f.look(in, t.now)
}
