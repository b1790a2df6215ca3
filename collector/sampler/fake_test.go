package sampler

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/collector/cgroup"
	"github.com/lubberline/lubberline/collector/reading"
)

// epoch lies on the grid of 1 s and 5 s.
var epoch = time.Unix(1_800_000_000, 0)

// fakeClock stands still until it is told to go.
type fakeClock struct {
	mu    sync.Mutex
	wall  time.Time
	mono  time.Duration
	fire  chan time.Time
	armed chan time.Duration // a wait that was begun
}

func newFakeClock(wall time.Time) *fakeClock {
	return &fakeClock{wall: wall, fire: make(chan time.Time), armed: make(chan time.Duration, 64)}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

func (c *fakeClock) Monotonic() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mono
}

func (c *fakeClock) NewTimer() Timer       { return c }
func (c *fakeClock) C() <-chan time.Time   { return c.fire }
func (c *fakeClock) Reset(d time.Duration) { c.armed <- d }
func (c *fakeClock) Stop()                 {}

// pass lets the wait that was begun end after late more than asked, with the
// clock set by step meanwhile.
func (c *fakeClock) pass(late, step time.Duration) {
	d := <-c.armed + late
	c.mu.Lock()
	c.wall, c.mono = c.wall.Add(d+step), c.mono+d
	c.mu.Unlock()
	c.fire <- time.Time{}
}

// fakeSource has cgroups that count their readings.
type fakeSource struct {
	events chan cgroup.Event
	mu     sync.Mutex
	gone   map[string]bool
	closed map[string]int
}

func newFakeSource() *fakeSource {
	return &fakeSource{events: make(chan cgroup.Event), gone: map[string]bool{}, closed: map[string]int{}}
}

func (f *fakeSource) Watch(ctx context.Context, emit func(cgroup.Event)) error {
	for {
		select {
		case e := <-f.events:
			emit(e)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *fakeSource) Open(id string) (Reader, error) { return &fakeReader{source: f, id: id}, nil }
func (f *fakeSource) set(id string, gone bool)       { f.mu.Lock(); f.gone[id] = gone; f.mu.Unlock() }
func (f *fakeSource) closings(id string) int         { f.mu.Lock(); defer f.mu.Unlock(); return f.closed[id] }

type fakeReader struct {
	source *fakeSource
	id     string
	n      uint64
}

func (r *fakeReader) Read(now int64, s *reading.Sample) error {
	r.source.mu.Lock()
	defer r.source.mu.Unlock()
	if r.source.gone[r.id] {
		return cgroup.ErrGone
	}
	r.n++
	s.Time = now
	s.Put(reading.CPUUsage, r.n)
	s.Devices = append(s.Devices[:0], reading.DeviceIO{Device: "/dev/vda", Reads: r.n})
	return nil
}

func (r *fakeReader) Close() {
	r.source.mu.Lock()
	defer r.source.mu.Unlock()
	r.source.closed[r.id]++
}

// seen is what a subscriber keeps of a tick.
type seen struct {
	time      time.Time
	ids, gone []string
	realigned bool
}

// running is a sampler under test.
type running struct {
	*Sampler
	clock  *fakeClock
	source *fakeSource
	ticks  chan seen
}

func start(t *testing.T, o Options) *running {
	t.Helper()
	r := &running{clock: newFakeClock(epoch.Add(300 * time.Millisecond)), source: newFakeSource(), ticks: make(chan seen, 64)}
	o.Interval, o.Groups, o.Clock = time.Second, r.source, r.clock
	var err error
	r.Sampler, err = New(o)
	require.NoError(t, err)
	r.resolving.first = time.Millisecond
	r.Subscribe(func(tick Tick) {
		s := seen{time: tick.Time, realigned: tick.Realigned}
		for _, c := range tick.Containers {
			s.ids = append(s.ids, c.ID)
		}
		for _, c := range tick.Gone {
			s.gone = append(s.gone, c.ID)
		}
		r.ticks <- s
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
	return r
}

// send reports an event and waits until the sampler has it.
func (r *running) send(e cgroup.Event) {
	r.source.events <- e
	r.source.events <- cgroup.Event{Kind: cgroup.Removed, ID: "none"} // the one before has left Watch
	require.Eventually(nopT{}, func() bool { return len(r.events) == 0 }, 5*time.Second, time.Millisecond)
	r.SetIdentity(context.Background(), "none", nil) // a round through the loop
}

type nopT struct{}

func (nopT) Errorf(string, ...any) {}
func (nopT) FailNow()              { panic("the sampler does not take events") }
