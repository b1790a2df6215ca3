package logs

import (
	"time"

	"github.com/lubberline/lubberline/collector/chunk"
)

const (
	firstBackOff = 100 * time.Millisecond
	maxBackOff   = 5 * time.Second
)

// outbox is what goes to the spool with the next append, or went there and was
// refused.
type outbox struct {
	chunks    [][]byte
	positions []chunk.Position
	backOff   time.Duration
	retryAt   time.Time
}

// seal closes a group's chunk.
func (t *Tailer) seal(g *group) {
	advance := g.advance()
	t.out.positions = append(t.out.positions, advance...)
	if g.count == 0 {
		return
	}
	c := chunk.Chunk{Tag: g.source.Tag, Count: g.count, Common: g.common, Entries: g.entries, Advance: advance}
	t.out.chunks = append(t.out.chunks, chunk.AppendEncode(t.buffers.take(), &c))
	t.buffers.put(g.entries)
	g.entries, g.count = nil, 0
}

// flush hands everything that was read to the spool; false when it refuses.
func (t *Tailer) flush() bool {
	if len(t.out.chunks) > 0 && t.out.backOff > 0 {
		return t.deliver()
	}
	for _, g := range t.groups {
		t.seal(g)
	}
	t.buffered = 0
	return t.deliver()
}

// deliver writes the outbox; false when the spool refused it now or a moment
// ago. All chunks are one append, so that one fsync does for all of them, and
// their positions count once it is done.
func (t *Tailer) deliver() bool {
	o := &t.out
	if len(o.chunks) == 0 {
		for _, p := range o.positions { // nothing unwritten stands behind these
			t.options.Positions.Put(p)
		}
		o.positions = o.positions[:0]
		return true
	}
	if t.now.Before(o.retryAt) {
		return false
	}
	err := t.options.Positions.Commit(o.positions, func() (uint64, error) {
		first, err := t.options.Spool.Append(o.chunks...)
		return first + uint64(len(o.chunks)) - 1, err
	})
	if err != nil {
		t.refused(err)
		return false
	}
	if o.backOff > 0 {
		t.log.Info("log chunks are written again", "chunks", len(o.chunks))
	}
	t.metrics.chunks.Add(float64(len(o.chunks)))
	for _, b := range o.chunks {
		t.buffers.put(b)
	}
	clear(o.chunks)
	*o = outbox{chunks: o.chunks[:0], positions: o.positions[:0]}
	return true
}

func (t *Tailer) refused(err error) {
	o := &t.out
	o.backOff = min(maxBackOff, max(firstBackOff, 2*o.backOff))
	o.retryAt = t.now.Add(o.backOff)
	t.metrics.appendErrors.Inc()
	t.complain("spool", "cannot write log chunks, reading no further until it works", "chunks", len(o.chunks),
		"retry_in", o.backOff, "error", err)
}

// buffers keeps memory of chunks for the next ones.
type buffers struct{ free [][]byte }

const (
	buffersKept = 16
	bufferBytes = 64 << 10
	// bufferMax is the longest buffer that is kept.
	bufferMax = 4 << 20
)

func (b *buffers) take() []byte {
	n := len(b.free)
	if n == 0 {
		return make([]byte, 0, bufferBytes)
	}
	buf := b.free[n-1]
	b.free = b.free[:n-1]
	return buf
}

func (b *buffers) put(buf []byte) {
	if len(b.free) < buffersKept && cap(buf) <= bufferMax && cap(buf) > 0 {
		b.free = append(b.free, buf[:0])
	}
}
