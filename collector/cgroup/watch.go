package cgroup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// EventKind says what happened to a cgroup.
type EventKind uint8

// The kinds of event.
const (
	Created EventKind = iota
	Removed
	// Walked follows the events of a walk over all hierarchies: now everything
	// that exists is known.
	Walked
)

// Event is a cgroup that appeared or went away.
type Event struct {
	Kind EventKind
	ID   string
	// Made is when the cgroup was made, as far as can be told; of Created.
	Made time.Time
}

// Watch reports each cgroup once when it is there and once when it is gone,
// parents before children, until ctx ends. It calls emit on its own goroutine;
// while emit blocks nothing is lost. A path that is removed and made again is
// reported as both. It returns ctx's error.
func (s *System) Watch(ctx context.Context, emit func(Event)) error {
	w := &watcher{
		system:  s,
		emit:    emit,
		known:   map[string]found{},
		paths:   map[int32]string{},
		watched: map[string]int32{},
		primary: s.hierarchies.directories()[0],
	}
	if err := w.open(); err != nil {
		w.lost("cannot follow cgroups with inotify, looking for them from time to time", err)
	}
	defer w.close()
	return w.run(ctx)
}

// watcher follows one hierarchy with one inotify instance. All of it belongs to
// the goroutine of Watch.
type watcher struct {
	system  *System
	emit    func(Event)
	known   map[string]found // by id
	inotify *os.File         // nil when there is none
	fd      int
	paths   map[int32]string // id by watch descriptor
	watched map[string]int32 // watch descriptor by id
	primary string
	broken  bool // logged that events may be missed
}

func (w *watcher) open() error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("inotify: %w", err)
	}
	w.fd = fd
	w.inotify = os.NewFile(uintptr(fd), "inotify")
	return nil
}

func (w *watcher) close() {
	if w.inotify != nil {
		_ = w.inotify.Close()
	}
	w.system.metrics.watches.Set(0)
}

func (w *watcher) run(ctx context.Context) error {
	w.rescan(true)
	next := time.Now().Add(w.system.rescan)
	for ctx.Err() == nil {
		if w.wait(ctx, next) {
			w.rescan(false)
			next = time.Now().Add(w.system.rescan)
		}
	}
	return ctx.Err()
}

// wait handles events until some have come or until the time is reached; it
// returns true when it is time for a rescan.
func (w *watcher) wait(ctx context.Context, until time.Time) bool {
	if w.inotify == nil {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		}
	}
	_ = w.inotify.SetReadDeadline(until)
	stop := context.AfterFunc(ctx, func() { _ = w.inotify.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buffer := make([]byte, 16<<10)
	n, err := w.inotify.Read(buffer)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ctx.Err() == nil
	}
	if err != nil {
		w.lost("cannot read inotify events, looking for cgroups from time to time", err)
		_ = w.inotify.Close()
		w.inotify = nil
		return true
	}
	return w.handle(buffer[:n])
}

// handle applies a batch of events. It returns true when some were lost.
func (w *watcher) handle(batch []byte) (overflow bool) {
	for len(batch) > 0 {
		e, rest, ok := parseInotify(batch)
		if !ok {
			return overflow
		}
		batch = rest
		if e.mask&unix.IN_Q_OVERFLOW != 0 {
			w.lost("inotify lost events, walking over all cgroups", unix.EOVERFLOW)
			w.broken = false
			overflow = true
			continue
		}
		w.apply(e)
	}
	return overflow
}

func (w *watcher) apply(e inotifyEvent) {
	parent, ok := w.paths[e.wd]
	if !ok {
		return
	}
	if e.mask&unix.IN_IGNORED != 0 {
		delete(w.paths, e.wd)
		if w.watched[parent] == e.wd {
			delete(w.watched, parent)
		}
		w.system.metrics.watches.Set(float64(len(w.paths)))
		return
	}
	if e.mask&unix.IN_ISDIR == 0 || excluded(e.name) {
		return
	}
	id := filepath.Join(parent, e.name)
	switch {
	case e.mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0:
		w.appear(id, time.Now())
	case e.mask&(unix.IN_DELETE|unix.IN_MOVED_FROM) != 0:
		w.vanish(id)
	}
}

// appear takes up a new cgroup of the watched hierarchy and what is already
// below it. The watch comes before the listing, so that nothing made in between
// is missed.
func (w *watcher) appear(id string, now time.Time) {
	path := filepath.Join(w.primary, id)
	w.follow(id)
	st, ok := statDirectory(path)
	if !ok {
		return
	}
	f, known := w.known[id]
	if known && f.inode != st.Ino {
		w.forget(id)
		known = false
	}
	if !known {
		w.known[id] = found{st.Ino, now}
		w.emit(Event{Created, id, now})
	}
	for _, name := range subdirectories(path, &st) {
		w.appear(filepath.Join(id, name), now)
	}
}

// vanish drops a cgroup whose directory went away. Other hierarchies may have it
// for another moment; should it be there to stay, the next walk finds it anew.
func (w *watcher) vanish(id string) {
	if st, ok := statDirectory(filepath.Join(w.primary, id)); ok && st.Ino == w.known[id].inode {
		return // an event from before the walk that found this one
	}
	w.forget(id)
}

// forget reports a cgroup and those below it as gone.
func (w *watcher) forget(id string) {
	var gone []string
	for other := range w.known {
		if other == id || strings.HasPrefix(other, id+"/") {
			gone = append(gone, other)
		}
	}
	slices.Sort(gone)
	for _, id := range gone {
		delete(w.known, id)
		w.emit(Event{Kind: Removed, ID: id})
	}
}

// follow watches the directory of a cgroup. Want of room is not fatal: then the
// rescan finds what is below.
func (w *watcher) follow(id string) {
	if w.inotify == nil {
		return
	}
	const what = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_ONLYDIR | unix.IN_EXCL_UNLINK
	wd, err := unix.InotifyAddWatch(w.fd, filepath.Join(w.primary, id), what)
	switch {
	case err == nil:
		w.paths[int32(wd)], w.watched[id] = id, int32(wd)
		w.system.metrics.watches.Set(float64(len(w.paths)))
	case errors.Is(err, unix.ENOENT):
	default:
		w.lost("cannot follow all cgroups with inotify, looking for them from time to time", err)
	}
}

// lost logs, once until it works again, that events may be missed.
func (w *watcher) lost(message string, err error) {
	w.system.metrics.overflows.Inc()
	if !w.broken {
		w.system.logger.Warn(message, "error", err, "interval", w.system.rescan) //nolint:sloglint // callers pass constants
	}
	w.broken = true
}

// rescan walks all hierarchies and reports the difference.
func (w *watcher) rescan(first bool) {
	if first {
		w.followAll(Root)
	}
	now := w.system.walk()
	w.system.metrics.rescans.Inc()
	repairs := 0
	for _, id := range slices.Sorted(maps.Keys(w.known)) {
		f, still := now[id]
		if old, known := w.known[id]; known && (!still || f.inode != old.inode) {
			w.forget(id)
			repairs++
		}
	}
	for _, id := range slices.Sorted(maps.Keys(now)) {
		if _, known := w.known[id]; !known {
			w.known[id] = now[id]
			w.emit(Event{Created, id, now[id].made})
			repairs++
		}
		if _, watched := w.watched[id]; !watched {
			w.follow(id)
		}
	}
	if !first {
		w.system.metrics.repaired.Add(float64(repairs))
	}
	w.emit(Event{Kind: Walked})
}

// followAll watches all directories before they are walked for the first time.
func (w *watcher) followAll(id string) {
	w.follow(id)
	path := filepath.Join(w.primary, id)
	st, ok := statDirectory(path)
	if !ok {
		return
	}
	for _, name := range subdirectories(path, &st) {
		w.followAll(filepath.Join(id, name))
	}
}

type inotifyEvent struct {
	wd   int32
	mask uint32
	name string
}
