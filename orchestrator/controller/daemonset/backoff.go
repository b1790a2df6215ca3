package daemonset

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// The waits between the replacements of a pod that fails again and again, and
// after what time without a failure it starts anew.
const (
	firstWait   = time.Second
	longestWait = 15 * time.Minute
	forgetAfter = 2 * longestWait
)

// backoff spaces out what is done for a key.
type backoff struct {
	clock clock.PassiveClock
	mu    sync.Mutex
	tries map[string]try
}

type try struct {
	at   time.Time
	wait time.Duration // until the next
}

func newBackoff(c clock.PassiveClock) *backoff { return &backoff{clock: c, tries: map[string]try{}} }

// next counts a try now and returns 0, or returns how long it must still wait.
func (b *backoff) next(key string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	last := b.tries[key]
	if left := last.at.Add(last.wait).Sub(now); last.wait > 0 && left > 0 {
		return left
	}
	wait := min(max(2*last.wait, firstWait), longestWait)
	if now.Sub(last.at) > forgetAfter {
		wait = firstWait
		b.forgetOld(now)
	}
	b.tries[key] = try{now, wait}
	return 0
}

func (b *backoff) forgetOld(now time.Time) {
	for key, t := range b.tries {
		if now.Sub(t.at) > forgetAfter {
			delete(b.tries, key)
		}
	}
}
