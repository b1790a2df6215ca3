package app

import (
	"context"
	"time"
)

// machine reads the machine's own figures beside the ticks. One that is slow (a
// filesystem that does not answer) must not hold up a tick until the next one
// takes its place.
type machine struct {
	host interface {
		Read(context.Context, time.Time)
	}
	patience time.Duration
	idle     chan struct{} // holds a token while nothing is read
}

func newMachine(host interface {
	Read(context.Context, time.Time)
}, patience time.Duration) *machine {
	m := &machine{host: host, patience: patience, idle: make(chan struct{}, 1)}
	m.idle <- struct{}{}
	return m
}

// read returns when the machine has been read, or when patience is over: then
// the reading goes on, and no other begins before it has ended.
func (m *machine) read(ctx context.Context) {
	select {
	case <-m.idle:
		go func() {
			m.host.Read(ctx, time.Now())
			m.idle <- struct{}{}
		}()
	default:
	}
	timer := time.NewTimer(m.patience)
	defer timer.Stop()
	select {
	case <-m.idle:
		m.idle <- struct{}{}
	case <-timer.C:
	case <-ctx.Done():
	}
}

// close waits for a reading that goes on.
func (m *machine) close() { <-m.idle }
