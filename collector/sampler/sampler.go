package sampler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/collector/cgroup"
	"github.com/lubberline/lubberline/collector/reading"
)

// Source finds cgroups and opens them for reading. Cgroups makes one.
type Source interface {
	// Watch reports cgroups that come and go until ctx ends.
	Watch(ctx context.Context, emit func(cgroup.Event)) error
	// Open prepares to read a cgroup.
	Open(id string) (Reader, error)
}

// Reader reads one cgroup.
type Reader interface {
	// Read brings the sample up to date; cgroup.ErrGone when there is nothing to
	// read any more.
	Read(now int64, s *reading.Sample) error
	Close()
}

// Network knows the traffic of containers.
type Network interface {
	// Refresh takes the counters of all interfaces.
	Refresh() error
	// Track starts to count a container. pid is a process of it, 0 when none is
	// known. It may be called again, and must not block.
	Track(id string, pid int, sandbox bool)
	Forget(id string)
	// Read appends the interfaces of a container to dst.
	Read(id string, dst []reading.NetIO) []reading.NetIO
}

// Filesystems knows how much containers have written.
type Filesystems interface {
	// Track starts to measure a container; either path may be empty. It may be
	// called again, and must not block.
	Track(id, rootDir, logPath string)
	Forget(id string)
	// Read puts the newest figures into the sample.
	Read(id string, s *reading.Sample)
}

// Resolver names containers.
type Resolver interface {
	// Identify says what a cgroup is, or nil for a system container. final is
	// false when more may be known later, and the question is put again. It may
	// block until ctx ends, and is called from several goroutines.
	Identify(ctx context.Context, id string) (identity *reading.Identity, final bool, err error)
}

// Options are the sampler's parts. Network, Filesystems and Resolver may be nil.
type Options struct {
	// Interval is the distance of samples; 5 s when zero, at least 100 ms.
	Interval time.Duration
	// StartInterval is the distance of the samples before the first point of the
	// grid, so that whoever starts a collector need not wait a whole interval for
	// figures; the interval itself when zero.
	StartInterval time.Duration
	Groups        Source
	Network       Network
	Filesystems   Filesystems
	Resolver      Resolver
	Clock         Clock // the machine's when nil
	Logger        *slog.Logger
	Registerer    prometheus.Registerer
}

// Tick is one point of the grid at which samples were taken.
type Tick struct {
	Time time.Time
	// Containers are those that were read, sorted by ID. The slice and the
	// samples hold until the subscriber returns.
	Containers []*reading.Container
	// Gone are those that went away since the last tick, with their last
	// samples. They are the subscriber's to keep.
	Gone []*reading.Container
	// Realigned says that the clock was set back, so that Time may lie before
	// that of earlier ticks.
	Realigned bool
}

// Sampler owns the containers of the machine. Run does all the work; View may be
// called from anywhere.
type Sampler struct {
	options Options
	clock   Clock
	logger  *slog.Logger
	metrics *metrics
	grid    grid

	events  chan cgroup.Event
	updates chan update
	ready   chan struct{}

	// Owner: the goroutine of Run.
	entries     []*entry // sorted by ID
	byID        map[string]*entry
	gone        []*reading.Container
	subscribers []func(Tick)
	walked      bool // the first walk is over
	resolving   *resolving

	// mu guards what View shows: it is held for writing only while the results
	// of a tick are put in place, not while files are read.
	mu         sync.RWMutex
	tick       time.Time
	containers []*reading.Container
}

// entry is a container and what is needed to read it.
type entry struct {
	container *reading.Container
	reader    Reader
	// work is the sample being filled. It keeps what is not read each tick.
	work   reading.Sample
	fresh  bool // read this tick
	gone   bool // found to be gone this tick
	cancel context.CancelFunc
}

// New makes a sampler. It reads nothing before Run.
func New(o Options) (*Sampler, error) {
	if o.Groups == nil {
		return nil, errors.New("sampler: no source of cgroups")
	}
	if o.Interval == 0 {
		o.Interval = 5 * time.Second
	}
	if o.Interval < 100*time.Millisecond {
		return nil, fmt.Errorf("sampler: interval %v is below 100ms", o.Interval)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = newSystemClock()
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	return &Sampler{
		options: o, clock: o.Clock, logger: o.Logger, metrics: m,
		grid:      grid{interval: int64(o.Interval), start: int64(min(o.StartInterval, o.Interval))},
		events:    make(chan cgroup.Event, 256),
		updates:   make(chan update),
		ready:     make(chan struct{}),
		byID:      map[string]*entry{},
		resolving: newResolving(o.Resolver, m, o.Logger),
	}, nil
}

// Interval is the distance of samples.
func (s *Sampler) Interval() time.Duration { return s.options.Interval }

// Ready is closed when all containers that were there at the start have been
// read once.
func (s *Sampler) Ready() <-chan struct{} { return s.ready }

// Subscribe calls f after each tick, on the sampler's goroutine: f must be quick.
// It must be called before Run.
func (s *Sampler) Subscribe(f func(Tick)) { s.subscribers = append(s.subscribers, f) }

// View calls f with the containers of the newest tick, sorted by ID. Until f
// returns they do not change; f must not keep the slice or the samples, and
// should be quick, as the next tick's results wait for it.
func (s *Sampler) View(f func(tick time.Time, containers []*reading.Container)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f(s.tick, s.containers)
}

// SetIdentity says that more is known of a container now. It waits until the
// sampler has taken it, or ctx ends; an id that is not known is ignored.
func (s *Sampler) SetIdentity(ctx context.Context, id string, identity *reading.Identity) {
	select {
	case s.updates <- update{id: id, identity: identity}:
	case <-ctx.Done():
	}
}

// Run samples until ctx ends, and returns its error.
func (s *Sampler) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { s.watch(ctx) })
	defer s.stop(cancel, &running)
	timer := s.clock.NewTimer()
	defer timer.Stop()
	timer.Reset(s.grid.next(s.clock.Now()))
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-s.events:
			s.event(ctx, e)
		case u := <-s.updates:
			s.update(u)
		case <-timer.C():
			s.point()
			timer.Reset(s.grid.next(s.clock.Now()))
		}
	}
}

func (s *Sampler) watch(ctx context.Context) {
	err := s.options.Groups.Watch(ctx, func(e cgroup.Event) {
		select {
		case s.events <- e:
		case <-ctx.Done():
		}
	})
	if ctx.Err() == nil {
		s.logger.Error("the watch for cgroups ended", "error", err)
	}
}

func (s *Sampler) stop(cancel context.CancelFunc, running *sync.WaitGroup) {
	cancel()
	running.Wait()
	s.resolving.wait()
	for _, e := range s.entries {
		e.cancel()
		e.reader.Close()
	}
}
