package filesystem

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/collector/cgroup"
	"github.com/lubberline/lubberline/collector/hostroot"
	"github.com/lubberline/lubberline/collector/reading"
)

// The longest time between two walks, and how much longer than a walk the time
// to the next one is at least.
const (
	maxEvery = 20 * time.Minute
	idleFor  = 50
)

// Options say how often and where to look.
type Options struct {
	// Every is the time between two walks over a container's layer; one minute
	// when zero.
	Every time.Duration
	// MountInfo is /proc/self/mountinfo when empty.
	MountInfo string
	// Root is where its mount points are.
	Root       hostroot.Root
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Filesystems knows the sizes of tracked containers. Run measures; the other
// methods may be called from anywhere and do not block.
type Filesystems struct {
	every     time.Duration
	mountInfo string
	root      hostroot.Root
	logger    *slog.Logger
	metrics   *metrics
	wake      chan struct{}
	// statfs asks a filesystem; tests count the calls.
	statfs func(path string, st *unix.Statfs_t) error

	mu      sync.Mutex
	entries map[string]*entry
}

// entry is one container. Its paths and result are guarded by mu.
type entry struct {
	id, rootDir, logPath string
	due                  time.Time
	result               result
}

// result is what was measured of a container.
type result struct {
	filesystems []reading.Filesystem
	logs        uint64
	logsKnown   bool
}

// New makes a measurer. It reads nothing before Run.
func New(o Options) (*Filesystems, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	return &Filesystems{every: cmp.Or(o.Every, time.Minute), mountInfo: cmp.Or(o.MountInfo, "/proc/self/mountinfo"), root: o.Root,
		logger: o.Logger, metrics: m, wake: make(chan struct{}, 1), statfs: unix.Statfs, entries: map[string]*entry{}}, nil
}

// Track starts to measure a container. Either path may be empty; for "/" both
// are ignored.
func (f *Filesystems) Track(id, rootDir, logPath string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e, ok := f.entries[id]; ok && e.rootDir == rootDir && e.logPath == logPath {
		return
	}
	f.entries[id] = &entry{id: id, rootDir: rootDir, logPath: logPath}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Forget ends it.
func (f *Filesystems) Forget(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.entries, id)
}

// Read puts the newest figures of a container into the sample: none when it was
// not measured yet.
func (f *Filesystems) Read(id string, s *reading.Sample) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Filesystems = s.Filesystems[:0]
	s.Drop(reading.FilesystemLogs)
	e, ok := f.entries[id]
	if !ok {
		return
	}
	s.Filesystems = append(s.Filesystems, e.result.filesystems...)
	if e.result.logsKnown {
		s.Put(reading.FilesystemLogs, e.result.logs)
	}
}

// Run measures until ctx ends, and returns its error.
func (f *Filesystems) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		next := f.round(ctx)
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-f.wake:
		}
		timer.Stop()
	}
	return ctx.Err()
}

// round measures all containers that are due. It returns when the next one is.
func (f *Filesystems) round(ctx context.Context) time.Time {
	due := f.takeDue(time.Now())
	if len(due) > 0 {
		r := newRound(f)
		for _, e := range due {
			if ctx.Err() != nil {
				break
			}
			f.measure(ctx, r, e)
		}
	}
	return f.nextDue()
}

// takeDue lists the containers to measure now, in the order of their ids.
func (f *Filesystems) takeDue(now time.Time) (due []*entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.entries {
		if !now.Before(e.due) {
			due = append(due, e)
		}
	}
	slices.SortFunc(due, func(a, b *entry) int { return cmp.Compare(a.id, b.id) })
	return due
}

// nextDue is when the next container is due. Those due within a second are taken
// together, so that they share one answer of their filesystem.
func (f *Filesystems) nextDue() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := time.Now().Add(f.every)
	for _, e := range f.entries {
		if e.due.Before(next) {
			next = e.due
		}
	}
	return next.Add(min(time.Second, f.every/10))
}

// measure measures one container and sets when to do so again.
func (f *Filesystems) measure(ctx context.Context, r *round, e *entry) {
	start := time.Now()
	var res result
	var err error
	if e.id == cgroup.Root {
		res.filesystems = r.machine()
	} else {
		res, err = r.container(ctx, e)
	}
	if ctx.Err() != nil {
		return
	}
	took := time.Since(start)
	f.metrics.walk.Observe(took.Seconds())
	f.mu.Lock()
	defer f.mu.Unlock()
	e.due = time.Now().Add(max(f.every, min(idleFor*took, maxEvery)))
	if err != nil {
		f.metrics.failures.Inc()
		f.logger.Debug("cannot measure a container's files", "id", e.id, "error", err)
	}
	e.result = res
}

// container measures the layer and the logs. What cannot be measured is left
// out; the error says what it was.
func (r *round) container(ctx context.Context, e *entry) (res result, err error) {
	if e.logPath != "" {
		res.logs, res.logsKnown = logSize(e.logPath)
	}
	if e.rootDir == "" {
		return res, nil
	}
	var st unix.Stat_t
	if err := unix.Stat(e.rootDir, &st); err != nil {
		return res, fmt.Errorf("writable layer %s: %w", e.rootDir, err)
	}
	usage, err := diskUsage(ctx, e.rootDir)
	if err != nil {
		return res, err
	}
	fs, err := r.state(st.Dev, e.rootDir)
	if err != nil {
		return res, err
	}
	fs.Usage = usage
	res.filesystems = []reading.Filesystem{fs}
	return res, nil
}

// logSize adds up a log file and its rotated generations, which runtimes name by
// appending to its name. ok is false when there is none.
func logSize(path string) (size uint64, ok bool) {
	dir, base := filepath.Split(path)
	for _, name := range names(dir) {
		var st unix.Stat_t
		if len(name) < len(base) || name[:len(base)] != base || unix.Stat(filepath.Join(dir, name), &st) != nil {
			continue
		}
		if st.Mode&unix.S_IFMT == unix.S_IFREG {
			size, ok = size+uint64(st.Size), true
		}
	}
	return size, ok
}
