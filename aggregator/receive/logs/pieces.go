package logs

import (
	"strconv"
	"sync"

	"github.com/lubberline/lubberline/forward"
	"github.com/lubberline/lubberline/logrecord"
)

// pieceRecords is how many records are decoded and stored at a time. A chunk may
// hold millions of small ones, and each takes ten times as much memory as on the
// wire. It must stay what it is: a chunk that is sent again has to fall into the
// same pieces, by whose ids the stores know it.
const pieceRecords = 32_768

// whole is a chunk whose pieces are on their way to the stores.
type whole struct {
	mu   sync.Mutex
	open int // pieces that are not finished, and one while more may come
	err  error
	done func(error)
}

func newWhole(done func(error)) *whole { return &whole{open: 1, done: done} }

// piece announces a further one.
func (w *whole) piece() {
	w.mu.Lock()
	w.open++
	w.mu.Unlock()
}

// failed says that the rest need not be tried.
func (w *whole) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err != nil
}

// finish ends one piece. The last one tells what became of them all: the first
// error, if there was any.
func (w *whole) finish(err error) {
	w.mu.Lock()
	if w.err == nil {
		w.err = err
	}
	w.open--
	last := w.open == 0
	err = w.err
	w.mu.Unlock()
	if last {
		w.done(err)
	}
}

// take decodes a chunk and hands its pieces to the committer. It waits while
// enough of them are waiting.
func (r *Receiver) take(c *forward.Chunk, done func(error)) {
	w, d := newWhole(done), r.decoder.begin(c, r.options.Now().UnixNano())
	id, total := c.FrameOptions.Chunk, 0
	for n := 0; !w.failed(); n++ {
		records := d.next(pieceRecords)
		if len(records) == 0 {
			break
		}
		total += len(records)
		w.piece()
		r.enqueue(&item{batch: logrecord.Batch{ChunkID: pieceID(id, n), Records: records}, dones: []func(error){w.finish}})
	}
	r.account(c, total, d.result)
	w.finish(nil)
}

// pieceID is the id of the nth piece of a chunk; a chunk without an id has
// none, and the first piece has the chunk's own.
func pieceID(id string, n int) string {
	if id == "" || n == 0 {
		return id
	}
	return id + "#" + strconv.Itoa(n)
}
