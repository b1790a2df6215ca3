package forwardinput

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"github.com/lubberline/lubberline/collector/chunk"
	"github.com/lubberline/lubberline/forward"
	"github.com/lubberline/lubberline/spool"
)

// part is one part of a line.
type part struct {
	driver
	tag string
}

// line is a line of which parts came.
type line struct {
	first   driver // its others and stream are copies
	tag     string
	log     []byte
	ordinal int       // of the newest part
	since   time.Time // when that came
	journal uint64    // number of its first part in the journal, 0 for none

	// What log and ordinal were before the newest part.
	priorBytes, priorOrdinal int
}

// joiner makes lines of parts.
type joiner struct {
	options *Options
	commons *commons
	// emit takes a line that came to its end without its last part. after is to
	// be called once it is safe. It may wait.
	emit func(p piece, after func(error))

	mu    sync.Mutex
	lines map[string]*line
	bytes int // of all lines
	// finishing counts the journal numbers of lines that are complete and not
	// safe yet.
	finishing map[uint64]int
	newest    uint64 // last number in the journal
}

func newJoiner(o *Options, emit func(piece, func(error))) *joiner {
	return &joiner{
		options: o, commons: newCommons(o.Containers, o.Node), emit: emit,
		lines: make(map[string]*line), finishing: make(map[uint64]int),
	}
}

// take adds parts, and returns the lines that are complete now. When the sender
// waits for an acknowledgement, the parts of others are in the journal on
// return. after is to be called with nil once the lines are safe, or with an
// error when their last parts will be sent again.
func (j *joiner) take(parts []part, acknowledged bool) (after func(error), pieces []piece, err error) {
	if len(parts) == 0 {
		return nil, nil, nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	first, err := j.write(parts, acknowledged)
	if err != nil {
		return nil, nil, err
	}
	var complete []*line
	now := time.Now()
	for i := range parts {
		seq := uint64(0)
		if !parts[i].last && first > 0 {
			seq = first
			first++
		}
		if l := j.add(&parts[i], seq, now); l != nil {
			pieces = append(pieces, j.piece(l))
			complete = append(complete, l)
			j.finish(l)
		}
	}
	return j.settler(complete), pieces, nil
}

// write puts the parts that do not end their line into the journal, and returns
// the number of the first.
func (j *joiner) write(parts []part, acknowledged bool) (uint64, error) {
	if !acknowledged || j.options.Parts == nil {
		return 0, nil
	}
	var entries [][]byte
	for i := range parts {
		if p := &parts[i]; !p.last {
			c := chunk.Chunk{Tag: p.tag, Count: 1, Entries: p.appendWhole(nil)}
			entries = append(entries, chunk.AppendEncode(nil, &c))
		}
	}
	if len(entries) == 0 {
		return 0, nil
	}
	first, err := j.options.Parts.Append(entries...)
	if err == nil {
		j.newest = first + uint64(len(entries)) - 1
	}
	return first, err
}

func (d *driver) key() string {
	return d.containerID + "\x00" + string(d.stream) + "\x00" + d.partialID
}

// add puts a part behind its line. It returns the line when it is complete, or
// as long as it may get. It needs j.mu.
func (j *joiner) add(p *part, seq uint64, now time.Time) *line {
	key := p.key()
	l := j.lines[key]
	if l == nil {
		l = &line{first: p.driver, tag: p.tag}
		l.first.stream, l.first.others = bytes.Clone(p.stream), bytes.Clone(p.others)
		l.first.log = nil
		j.lines[key] = l
	} else if p.ordinal > 0 && p.ordinal <= l.ordinal {
		return nil // sent again
	}
	if l.journal == 0 {
		l.journal = seq
	}
	l.priorBytes, l.priorOrdinal = len(l.log), l.ordinal
	l.log = append(l.log, p.log...)
	l.ordinal, l.since = p.ordinal, now
	j.bytes += len(p.log)
	if p.last || len(l.log) >= j.options.MaxLine || j.bytes > j.options.MaxPartBytes {
		return l
	}
	return nil
}

// finish takes a line out. The journal keeps it until it is settled. It needs
// j.mu.
func (j *joiner) finish(l *line) {
	delete(j.lines, l.first.key())
	j.bytes -= len(l.log)
	if l.journal > 0 {
		j.finishing[l.journal]++
	}
}

func (j *joiner) piece(l *line) piece {
	return piece{
		tag: l.tag, common: j.commons.of(l.first.containerID, l.first.containerName),
		entries: l.first.appendEntry(nil, l.log), count: 1,
	}
}

// settler returns what ends the care for complete lines: they are safe, or with
// an error they lack their last part again.
func (j *joiner) settler(lines []*line) func(error) {
	return func(err error) {
		j.mu.Lock()
		defer j.mu.Unlock()
		for _, l := range lines {
			if j.finishing[l.journal]--; j.finishing[l.journal] <= 0 {
				delete(j.finishing, l.journal)
			}
			if err != nil {
				j.putBack(l)
			}
		}
		j.trim()
	}
}

// putBack takes the newest part off a line and waits for it again. It needs
// j.mu.
func (j *joiner) putBack(l *line) {
	key := l.first.key()
	if l.priorBytes == 0 || j.lines[key] != nil {
		return
	}
	l.log, l.ordinal, l.since = l.log[:l.priorBytes], l.priorOrdinal, time.Now()
	j.lines[key] = l
	j.bytes += len(l.log)
}

// trim acknowledges what no line needs any more. It needs j.mu.
func (j *joiner) trim() {
	if j.options.Parts == nil || j.newest == 0 {
		return
	}
	upTo := j.newest
	for _, l := range j.lines {
		if l.journal > 0 {
			upTo = min(upTo, l.journal-1)
		}
	}
	for seq := range j.finishing {
		upTo = min(upTo, seq-1)
	}
	if upTo == 0 {
		return
	}
	if err := j.options.Parts.Ack(upTo); err != nil {
		j.options.Logger.Warn("cannot trim the journal of partial lines", "error", err)
	}
}

// expire ends the lines whose next part did not come in time.
func (j *joiner) expire(now time.Time) {
	j.end(func(l *line) bool { return now.Sub(l.since) > j.options.PartTime })
}

// flush ends the lines that are not in the journal.
func (j *joiner) flush() {
	j.end(func(l *line) bool { return l.journal == 0 })
}

func (j *joiner) end(which func(*line) bool) {
	j.mu.Lock()
	var pieces []piece
	var lines []*line
	for _, l := range j.lines {
		if which(l) {
			pieces = append(pieces, j.piece(l))
			lines = append(lines, l)
			j.finish(l)
		}
	}
	j.mu.Unlock()
	for i, p := range pieces {
		j.emit(p, j.settler(lines[i:i+1]))
	}
}

// restore takes up the parts that a process before this one left.
func (j *joiner) restore() error {
	if j.options.Parts == nil {
		return nil
	}
	acked := j.options.Parts.Stats().AckedSeq
	return j.options.Parts.Scan(func(e spool.Entry) error {
		if e.Seq <= acked {
			return nil
		}
		c, err := chunk.Decode(e.Data)
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		j.newest = e.Seq
		it := forward.NewIterator(c.Entries)
		if !it.Next() {
			return nil
		}
		d, ok := parseDriver(&it.Entry)
		if !ok {
			return nil
		}
		p := part{driver: d, tag: c.Tag}
		j.mu.Lock()
		defer j.mu.Unlock()
		if l := j.add(&p, e.Seq, time.Now()); l != nil {
			j.finish(l)
			j.emit(j.piece(l), j.settler([]*line{l}))
		}
		return nil
	})
}
