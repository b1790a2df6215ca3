package remotewrite

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff spaces tries that fail: each wait is about twice the last, up to a
// bound, with jitter so that collectors do not come all at once.
type backoff struct {
	least, most, next time.Duration
	tries             int
	loggedAt          time.Time
}

func newBackoff(o Options) *backoff {
	return &backoff{least: o.MinBackoff, most: o.MaxBackoff, next: o.MinBackoff}
}

func (b *backoff) reset() { b.next, b.tries = b.least, 0 }

// logs says whether this failure is worth a line: the first, and then one a
// minute.
func (b *backoff) logs() bool {
	b.tries++
	if now := time.Now(); b.tries == 1 || now.Sub(b.loggedAt) >= time.Minute {
		b.loggedAt = now
		return true
	}
	return false
}

// wait lets the time pass, at least as long as asked; false when the context
// has ended.
func (b *backoff) wait(ctx context.Context, asked time.Duration) bool {
	pause := b.next/2 + rand.N(b.next/2+1)
	b.next = min(2*b.next, b.most)
	timer := time.NewTimer(max(pause, asked))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
