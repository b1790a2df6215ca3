package forwardinput

import (
	"fmt"

	"github.com/lubberline/lubberline/forward"
)

const (
	// pieceBytes is how long a piece gets before another one is begun, so that
	// spool entries stay small whatever senders send.
	pieceBytes = 2 << 20
	// maxEventBytes is the longest event that is taken.
	maxEventBytes = 16 << 20
)

// piece is packed entries with the same tag and common fields.
type piece struct {
	tag     string
	common  []byte
	entries []byte
	count   int
}

// split is what a chunk is made of. The order of pieces depends on nothing but
// the chunk, so that a repetition's pieces get the same ids.
type split struct {
	pieces  []piece
	parts   []part
	records int
	bad     int
	reason  error

	input     *Input
	chunk     *forward.Chunk
	container map[string]int // index of the open piece, by container id
}

// split sorts a chunk's events: those of Docker's driver by container, all
// others into pieces with the chunk's own common fields.
func (in *Input) split(c *forward.Chunk) *split {
	s := &split{input: in, chunk: c, container: make(map[string]int)}
	it := forward.NewIterator(c.Entries)
	for it.Next() {
		if len(it.Entry.Record) > maxEventBytes {
			s.bad++
			s.reason = fmt.Errorf("event of %d bytes: %w", len(it.Entry.Record), forward.ErrTooLong)
			continue
		}
		s.records++
		s.event(&it.Entry)
	}
	s.bad += it.Bad
	if it.BadReason != nil {
		s.reason = it.BadReason
	}
	return s
}

func (s *split) event(e *forward.Entry) {
	d, ok := parseDriver(e)
	if !ok {
		p := s.piece("", func() []byte {
			if len(s.chunk.Common) > 0 {
				return s.chunk.Common
			}
			return s.input.commons.plain
		})
		p.entries = appendEntry(p.entries, e)
		p.count++
		return
	}
	if d.partial {
		s.parts = append(s.parts, part{driver: d, tag: s.chunk.Tag})
		return
	}
	p := s.piece(d.containerID, func() []byte { return s.input.commons.of(d.containerID, d.containerName) })
	p.entries = d.appendEntry(p.entries, d.log)
	p.count++
}

// piece returns the open piece of a container, or a new one.
func (s *split) piece(container string, common func() []byte) *piece {
	if i, ok := s.container[container]; ok && len(s.pieces[i].entries) < pieceBytes {
		return &s.pieces[i]
	}
	s.container[container] = len(s.pieces)
	s.pieces = append(s.pieces, piece{tag: s.chunk.Tag, common: common()})
	return &s.pieces[len(s.pieces)-1]
}

// appendEntry appends an event as it came. A time that is none of the
// protocol's stays for the aggregator to judge.
func appendEntry(dst []byte, e *forward.Entry) []byte {
	dst = append(dst, 0x92)
	switch {
	case e.RawTime != nil:
		dst = append(dst, e.RawTime...)
	case e.Time == 0:
		dst = append(dst, 0)
	case e.Metadata != nil:
		dst = append(forward.AppendEventTime(append(dst, 0x92), e.Time), e.Metadata...)
	default:
		dst = forward.AppendEventTime(dst, e.Time)
	}
	return append(dst, e.Record...)
}
