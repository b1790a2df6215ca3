package exposition

import (
	"sync"

	"github.com/lubberline/lubberline/collector/reading"
)

// rates remembers the last two CPU readings of each container.
type rates struct {
	mu    sync.Mutex // guards what follows
	pairs map[*reading.Container]*cpuPair
	round uint64
}

type cpuPair struct {
	before, now cpuPoint
	round       uint64
}

type cpuPoint struct {
	time  int64  // nanoseconds since the epoch
	usage uint64 // nanoseconds
}

func newRates() *rates { return &rates{pairs: make(map[*reading.Container]*cpuPair)} }

func (r *rates) observe(cs []*reading.Container) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.round++
	for _, c := range cs {
		pair := r.pairs[c]
		if pair == nil {
			pair = &cpuPair{}
			r.pairs[c] = pair
		}
		pair.round = r.round
		if usage, ok := c.Sample.Get(reading.CPUUsage); ok && c.Sample.Time > pair.now.time {
			pair.before, pair.now = pair.now, cpuPoint{c.Sample.Time, usage}
		}
	}
	if len(r.pairs) > len(cs) {
		for c, pair := range r.pairs {
			if pair.round != r.round {
				delete(r.pairs, c)
			}
		}
	}
}

// nanoCores is the CPU use between the last two samples, in billionths of a
// core; ok is false before there are two, and over a reset of the counter.
func (r *rates) nanoCores(c *reading.Container) (rate uint64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pair := r.pairs[c]
	if pair == nil || pair.before.time == 0 || pair.now.usage < pair.before.usage {
		return 0, false
	}
	used := float64(pair.now.usage - pair.before.usage)
	return uint64(used / float64(pair.now.time-pair.before.time) * 1e9), true
}
