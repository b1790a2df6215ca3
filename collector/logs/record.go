package logs

import (
	"github.com/lubberline/lubberline/collector/chunk"
	"github.com/lubberline/lubberline/collector/logs/parse"
)

// turn counts what one turn of reading did.
type turn struct {
	lines, bytes, bad, joined, split, dropped int
}

// plain reads files that know no format: a line is a record.
func plain(line []byte, out *parse.Line) bool {
	for len(line) > 0 && line[0] == 0 {
		line = line[1:] // a writer went on at its old offset after a truncation
	}
	*out = parse.Line{Log: line, Stream: parse.None}
	return true
}

// line takes a line of f that begins at an offset.
func (t *Tailer) line(g *group, f *file, line []byte, start int64) {
	t.turn.lines++
	l := &t.parsed
	if !g.parse(line, l) {
		if len(line) == 0 {
			return
		}
		t.turn.bad++
		*l = parse.Line{Log: line, Stream: parse.None}
	}
	if f.skips(int(l.Stream), start) {
		return
	}
	if l.Stream == parse.None {
		l.Time = t.nowNanos
		t.emit(g, l)
		return
	}
	if g.late(f) {
		t.emit(g, l)
		return
	}
	t.part(g, f, l, start)
}

// part takes a full line, or joins one that is part of a longer record.
func (t *Tailer) part(g *group, f *file, l *parse.Line, start int64) {
	j := &g.joins[l.Stream]
	if !j.open && !l.Partial {
		t.emit(g, l)
		return
	}
	if j.open && len(j.buf)+len(l.Log) > t.options.MaxRecord {
		t.finish(g, int(l.Stream), f)
		t.turn.split++
	}
	if !j.open {
		*j = join{open: true, buf: j.buf[:0], time: l.Time, file: f, start: start}
	}
	j.buf = append(j.buf, l.Log...)
	j.since = t.now
	t.partialBytes += len(l.Log)
	t.turn.joined++
	switch {
	case !l.Partial:
		t.finish(g, int(l.Stream), f)
	case t.partialBytes > t.options.MaxPartialBytes:
		t.finish(g, int(l.Stream), f)
		t.turn.split++
	}
}

// finish emits what has been joined; last is the file that was read last.
func (t *Tailer) finish(g *group, stream int, last *file) {
	j := &g.joins[stream]
	l := parse.Line{Time: j.time, Log: j.buf, Stream: parse.Stream(stream)}
	t.emit(g, &l)
	t.partialBytes -= len(j.buf)
	g.touch(j, last)
	j.open, j.file = false, nil
	t.settleParted(g, stream)
	if cap(j.buf) > 64<<10 {
		j.buf = nil
	}
}

// finishAll emits all that is joined, or what began in one file.
func (t *Tailer) finishAll(g *group, only *file) {
	for s := range chunk.Streams {
		if j := &g.joins[s]; j.open && (only == nil || j.file == only) {
			last := g.current()
			if last == nil {
				last = j.file
			}
			t.finish(g, s, last)
			t.turn.split++
		}
	}
}

// emit encodes a record, in pieces when it is too long.
func (t *Tailer) emit(g *group, l *parse.Line) {
	if t.options.Stage != nil && !t.options.Stage(&g.source, l) {
		t.turn.dropped++
		return
	}
	for len(l.Log) > t.options.MaxRecord {
		piece := *l
		piece.Log = l.Log[:t.options.MaxRecord]
		l.Log = l.Log[t.options.MaxRecord:]
		t.turn.split++
		t.encode(g, &piece)
	}
	t.encode(g, l)
}

func (t *Tailer) encode(g *group, l *parse.Line) {
	if g.entries == nil {
		g.entries = t.buffers.take()
	}
	before := len(g.entries)
	g.entries = appendEntry(g.entries, l)
	g.count++
	t.buffered += len(g.entries) - before
}
