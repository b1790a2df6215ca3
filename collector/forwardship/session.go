package forwardship

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/lubberline/lubberline/collector/chunk"
	"github.com/lubberline/lubberline/forward"
	"github.com/lubberline/lubberline/spool"
)

const (
	// batchBytes is how much is gathered for one write, as long as there is
	// more to send at once.
	batchBytes = 512 << 10
	// ackTick is how often overdue acknowledgements are looked for.
	ackTick = time.Second
)

var (
	errOverdue = errors.New("acknowledgement is overdue")
	errDrained = errors.New("session is over")
)

// session sends over one connection. It tells whether anything was
// acknowledged.
func (s *Shipper) session(ctx context.Context) (acknowledged bool, err error) {
	client, err := forward.Dial(ctx, s.options.Client)
	if err != nil {
		return false, err
	}
	s.metrics.connected.Set(1)
	defer s.metrics.connected.Set(0)
	s.window.reset()
	defer s.window.reset()
	s.options.Queue.Rewind()

	sending, stop := context.WithCancel(ctx)
	defer stop()
	read := make(chan struct{})
	go func() {
		defer close(read)
		var err error
		acknowledged, err = s.readAcks(client)
		s.window.fail(err)
		stop()
	}()
	b := &batch{shipper: s, client: client}
	err = b.run(sending)
	if ctx.Err() != nil {
		s.drain()
	}
	s.window.fail(err)
	client.Close()
	<-read
	s.window.mu.Lock()
	defer s.window.mu.Unlock()
	return acknowledged, s.window.failed
}

// drain waits a while for acknowledgements that are on their way.
func (s *Shipper) drain() {
	timer := time.AfterFunc(s.options.DrainTime, func() { s.window.fail(errDrained) })
	defer timer.Stop()
	s.window.drain()
}

// readAcks hears acknowledgements until the connection ends or one is overdue.
func (s *Shipper) readAcks(client *forward.Client) (acknowledged bool, err error) {
	for {
		id, err := client.ReadAck(min(ackTick, s.options.AckTime))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if s.window.overdue(time.Now().Add(-s.options.AckTime)) {
				return acknowledged, errOverdue
			}
			continue
		}
		if err != nil {
			return acknowledged, err
		}
		known, upTo, took := s.window.ack(id)
		if !known {
			s.metrics.strangeAcks.Inc()
			continue
		}
		acknowledged = true
		s.metrics.acks.Inc()
		s.metrics.ackSeconds.Observe(took.Seconds())
		if err := s.settle(upTo); err != nil {
			return acknowledged, err
		}
	}
}

func (s *Shipper) settle(upTo uint64) error {
	if upTo == 0 {
		return nil
	}
	return s.options.Queue.Ack(upTo)
}

// batch gathers frames and sends them. Its memory is used again and again.
type batch struct {
	shipper *Shipper
	client  *forward.Client
	parts   [][]byte
	heads   []byte // frame headers and options; parts refer to it
	inlined []byte
	bytes   int
}

// run sends entries until ctx ends or an error.
func (b *batch) run(ctx context.Context) error {
	queue := b.shipper.options.Queue
	for {
		e, err := queue.Next(ctx)
		if err != nil {
			return err
		}
		for more := true; more; {
			if err := b.add(&e); err != nil {
				return err
			}
			if b.bytes >= batchBytes {
				break
			}
			if e, more, err = queue.TryNext(); err != nil {
				return err
			}
		}
		if err := b.flush(); err != nil {
			return err
		}
	}
}

// add puts an entry's frame into the batch once the window has room for it.
func (b *batch) add(e *spool.Entry) error {
	s := b.shipper
	c, err := chunk.Decode(e.Data)
	if err != nil {
		s.metrics.bad.Inc()
		s.badOnes.Do(func() {
			s.log.Error("chunk in the spool cannot be decoded, passing over it", "seq", e.Seq, "error", err)
		})
		s.window.add(sent{seq: e.Seq})
		return s.settle(s.window.settle())
	}
	if !s.window.fits(len(e.Data)) {
		if err := b.flush(); err != nil {
			return err
		}
		if err := s.window.await(len(e.Data)); err != nil {
			return err
		}
	}
	id := c.ID
	if id == "" {
		id = chunkID(s.options.Queue.ID(), e.Seq)
	}
	s.window.add(sent{seq: e.Seq, id: id, bytes: len(e.Data), at: time.Now()})
	b.frame(&c, id)
	s.metrics.chunks.Inc()
	s.metrics.records.Add(float64(c.Count))
	return nil
}

// chunkID names a chunk of a tailed file: the queue's id and the number.
func chunkID(queue string, seq uint64) string {
	return queue + "-" + strconv.FormatUint(seq, 10)
}

// frame lays out one PackedForward frame.
func (b *batch) frame(c *chunk.Chunk, id string) {
	o := forward.FrameOptions{Chunk: id, Size: c.Count, Common: c.Common}
	entries := c.Entries
	if b.shipper.options.InlineCommon {
		o.Common = nil
		begin := len(b.inlined)
		b.inlined = appendInlined(b.inlined, entries, c.Common)
		entries = b.inlined[begin:len(b.inlined):len(b.inlined)]
	}
	begin := len(b.heads)
	b.heads = forward.AppendPackedHeader(b.heads, c.Tag, len(entries))
	middle := len(b.heads)
	b.heads = forward.AppendOptions(b.heads, o)
	b.parts = append(b.parts, b.heads[begin:middle:middle], entries, b.heads[middle:len(b.heads):len(b.heads)])
	b.bytes += len(b.heads) - begin + len(entries)
}

func (b *batch) flush() error {
	if len(b.parts) == 0 {
		return nil
	}
	err := b.client.Send(b.parts...)
	b.shipper.metrics.bytes.Add(float64(b.bytes))
	clear(b.parts)
	b.parts, b.heads, b.inlined, b.bytes = b.parts[:0], b.heads[:0], b.inlined[:0], 0
	if err != nil {
		return fmt.Errorf("ship logs: %w", err)
	}
	return nil
}

// appendInlined appends entries with the pairs of the common map written into
// each record. Entries that are no [time, map] are left out.
func appendInlined(dst, entries, common []byte) []byte {
	pairs, body, err := forward.ReadMapHead(common)
	if err != nil || pairs == 0 {
		return append(dst, entries...)
	}
	it := forward.NewIterator(entries)
	for it.Next() {
		own, fields, err := forward.ReadMapHead(it.Entry.Record)
		if err != nil {
			continue
		}
		dst = append(dst, 0x92)
		if it.Entry.Metadata != nil {
			dst = append(forward.AppendEventTime(append(dst, 0x92), it.Entry.Time), it.Entry.Metadata...)
		} else {
			dst = forward.AppendEventTime(dst, it.Entry.Time)
		}
		dst = append(append(forward.AppendMapHead(dst, pairs+own), body...), fields...)
	}
	return dst
}
