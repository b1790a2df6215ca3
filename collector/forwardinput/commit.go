package forwardinput

import (
	"fmt"
	"strconv"
	"time"

	"github.com/lubberline/lubberline/collector/chunk"
)

// mergedBytes is how long chunks get that are merged.
const mergedBytes = 1 << 20

// commitLoop appends what waits to the spool, one group after the other. What
// somebody waits for goes at once; the time that an fsync takes gathers the
// next group.
func (in *Input) commitLoop() {
	defer in.finished.Done()
	delay := time.NewTimer(time.Hour)
	defer delay.Stop()
	for {
		select {
		case <-in.arrived:
		case <-in.done:
			in.commit()
			in.abandon()
			return
		}
		delay.Reset(in.options.MaxDelay)
		select {
		case <-in.hurry:
		case <-delay.C:
		case <-in.done:
		}
		if !in.commit() {
			in.pause()
		}
	}
}

// pause waits before what could not be kept is tried again.
func (in *Input) pause() {
	timer := time.NewTimer(spoolRetry)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-in.done:
	}
	poke(in.arrived)
}

// commit appends all that waits in one go. On a failure, chunks with an id are
// refused, for their senders to repeat; the others stay. False: some stayed.
func (in *Input) commit() bool {
	in.mu.Lock()
	group := in.queue
	in.queue, in.bytes = nil, 0
	in.mu.Unlock()
	if len(group) == 0 {
		return true
	}
	_, err := in.options.Spool.Append(encode(group)...)
	var stay []*item
	finished := group
	if err != nil {
		in.metrics.spoolErrors.Inc()
		in.spoolErrors.Do(func() { in.log.Error("cannot spool log records", "chunks", len(group), "error", err) })
		err = fmt.Errorf("spool log records: %w", err)
		finished, stay = partition(group)
	}
	in.mu.Lock()
	for _, it := range finished {
		if it.id != "" {
			delete(in.inHand, it.id)
			if err == nil {
				in.recent.add(it.id)
			}
		}
	}
	for _, it := range stay {
		in.bytes += it.bytes
	}
	in.queue = append(stay, in.queue...)
	in.mu.Unlock()
	in.taken.Broadcast()
	for _, it := range finished { // nobody adds to dones any more
		it.finish(err)
	}
	return len(stay) == 0
}

// partition tells items with an id from those without.
func partition(group []*item) (with, without []*item) {
	for _, it := range group {
		if it.id != "" {
			with = append(with, it)
		} else {
			without = append(without, it)
		}
	}
	return with, without
}

// abandon gives up what is left at the end.
func (in *Input) abandon() {
	in.mu.Lock()
	left := in.queue
	in.queue = nil
	in.mu.Unlock()
	if len(left) > 0 {
		in.metrics.lost.Add(float64(len(left)))
		in.log.Error("closing with log chunks that could not be spooled", "chunks", len(left))
	}
	for _, it := range left {
		it.finish(ErrClosed)
	}
}

// encode makes spool entries of a group: one for each piece with an id, and
// merged ones of the others.
func encode(group []*item) [][]byte {
	var entries [][]byte
	merging := make(map[string]*chunk.Chunk)
	var order []*chunk.Chunk
	for _, it := range group {
		for i, p := range it.pieces {
			c := chunk.Chunk{Tag: p.tag, Common: p.common, Entries: p.entries, Count: p.count}
			if it.id != "" {
				c.ID = pieceID(it.id, i)
				entries = append(entries, chunk.AppendEncode(nil, &c))
				continue
			}
			key := p.tag + "\x00" + string(p.common)
			into := merging[key]
			if into == nil || len(into.Entries)+len(p.entries) > mergedBytes {
				c.Entries = append([]byte(nil), p.entries...)
				merging[key] = &c
				order = append(order, &c)
				continue
			}
			into.Entries = append(into.Entries, p.entries...)
			into.Count += p.count
		}
	}
	for _, c := range order {
		entries = append(entries, chunk.AppendEncode(nil, c))
	}
	return entries
}

// pieceID is the id of the nth piece of a chunk.
func pieceID(id string, n int) string {
	if n == 0 {
		return id
	}
	return id + "/" + strconv.Itoa(n)
}
