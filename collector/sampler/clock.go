package sampler

import "time"

// Clock tells the time. Wall-clock and monotonic time are asked separately, so
// that a set clock can be told from a late tick.
type Clock interface {
	// Now is the wall-clock time.
	Now() time.Time
	// Monotonic is the time since some moment; it is never set.
	Monotonic() time.Duration
	// NewTimer returns a timer that has not been started.
	NewTimer() Timer
}

// Timer is the part of time.Timer that the sampler uses.
type Timer interface {
	C() <-chan time.Time
	// Reset starts the timer anew; a time that was due and not received is
	// forgotten.
	Reset(d time.Duration)
	Stop()
}

// systemClock is the machine's clock.
type systemClock struct{ start time.Time }

func newSystemClock() systemClock { return systemClock{time.Now()} }

func (c systemClock) Now() time.Time           { return time.Now().Round(0) }
func (c systemClock) Monotonic() time.Duration { return time.Since(c.start) }

func (c systemClock) NewTimer() Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return systemTimer{t}
}

type systemTimer struct{ t *time.Timer }

func (t systemTimer) C() <-chan time.Time   { return t.t.C }
func (t systemTimer) Reset(d time.Duration) { t.t.Reset(d) }
func (t systemTimer) Stop()                 { t.t.Stop() }
