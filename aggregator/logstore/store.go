package logstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

// Defaults of Options.
const (
	DefaultMemoryLimit = 128 << 20
	DefaultThreads     = 1
	// DefaultMaxChunkIDs bounds the chunk ids remembered per day. A resend comes
	// within minutes of the chunk; half a million chunks are hours even at sixty
	// chunks a second.
	DefaultMaxChunkIDs = 500_000
	// DefaultIdleClose is how long a day file other than today's stays attached
	// without being used.
	DefaultIdleClose = 5 * time.Minute

	maintainEvery = 30 * time.Second
)

// Options configure a Store. Only Dir is required.
type Options struct {
	// Dir holds the day files; it is made when missing. One process at a time.
	Dir string
	// Retention is how long a day is kept after its end; 0 keeps it until the
	// size cap asks for its space.
	Retention time.Duration
	// MaxBytes caps the size of all day files together; 0 is no cap.
	MaxBytes int64
	// MemoryLimit in bytes and Threads bound the engine.
	MemoryLimit int64
	Threads     int
	// MaxChunkIDs bounds the chunk ids remembered per day.
	MaxChunkIDs int
	// IdleClose is how long an unused day file stays attached.
	IdleClose  time.Duration
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

func (o *Options) setDefaults() error {
	if o.Dir == "" {
		return errors.New("logstore: no directory given")
	}
	if o.MemoryLimit <= 0 {
		o.MemoryLimit = DefaultMemoryLimit
	}
	if o.Threads <= 0 {
		o.Threads = DefaultThreads
	}
	if o.MaxChunkIDs <= 0 {
		o.MaxChunkIDs = DefaultMaxChunkIDs
	}
	if o.IdleClose <= 0 {
		o.IdleClose = DefaultIdleClose
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}

// Store holds log records. Its methods may be called from any goroutine.
type Store struct {
	opts    Options
	log     *slog.Logger
	metrics *metrics
	engine  *engine
	lock    *os.File

	// writeMu serialises writers; it guards seq and warned.
	writeMu sync.Mutex
	// seq is the number that the next record gets; see nextSeq.
	seq    int64
	warned map[string]time.Time

	// What rest remembers; only the maintenance uses it.
	restSeq int64
	resting bool

	// mu guards days and closed.
	mu     sync.Mutex
	days   map[dayNumber]*day
	closed bool

	subs subscribers
	stop context.CancelFunc
	done chan struct{}
}

// ErrClosed is returned by the methods of a Store after Close.
var ErrClosed = errors.New("log store is closed")

// ErrDiskFull is wrapped by Append when the disk has no space left. Nothing of
// the failing day was stored, and the same call succeeds once there is space.
var ErrDiskFull = errors.New("no space left for the log store")

// Open opens or makes the store in Options.Dir. Day files that cannot be read
// are renamed aside when they are first used; they never stop the rest.
func Open(o Options) (*Store, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(o.Dir, "tmp"), 0o700); err != nil {
		return nil, fmt.Errorf("make log store directory: %w", err)
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{opts: o, log: o.Logger, lock: lock, days: map[dayNumber]*day{},
		warned: map[string]time.Time{}, done: make(chan struct{}), seq: o.Now().UnixMicro()}
	if s.metrics, err = newMetrics(o.Registerer, s); err != nil {
		lock.Close()
		return nil, err
	}
	if err := s.start(); err != nil {
		s.metrics.Unregister()
		lock.Close()
		return nil, err
	}
	return s, nil
}

// start finds the day files, starts the engine and the maintenance loop.
func (s *Store) start() error {
	if err := s.findDays(); err != nil {
		return err
	}
	eng, err := newEngine(s.opts)
	if err != nil {
		return err
	}
	s.engine = eng
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	go s.maintainLoop(ctx)
	return nil
}

// lockDir takes the directory for this process, as a second engine on the same
// files would damage them.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log store lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("log store %s is in use by another process: %w", dir, err)
	}
	return f, nil
}

// Close ends subscriptions, writes the write-ahead logs into the day files and
// closes them. It waits for calls that are under way.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.stop()
	<-s.done
	s.subs.closeAll()
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	for _, d := range s.listDays() {
		s.detach(d)
	}
	err := s.engine.close()
	s.metrics.Unregister()
	return errors.Join(err, s.lock.Close())
}

// maintainLoop runs the retention at start and then regularly.
func (s *Store) maintainLoop(ctx context.Context) {
	defer close(s.done)
	tick := time.NewTicker(maintainEvery)
	defer tick.Stop()
	for {
		s.maintain(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// warn logs the message, at most once a minute for the same one. The caller
// holds writeMu.
func (s *Store) warn(msg string, args ...any) {
	now := s.opts.Now()
	if last, ok := s.warned[msg]; ok && now.Sub(last) < time.Minute && !now.Before(last) {
		return
	}
	s.warned[msg] = now
	s.log.Warn(msg, args...) //nolint:sloglint // callers pass constants
}
