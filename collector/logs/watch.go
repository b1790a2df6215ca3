package logs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// watchMask is what changes the set of files in a directory. Writes are not
// among it: growth is seen by looking at the open files.
const watchMask = unix.IN_CREATE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_DELETE | unix.IN_ONLYDIR

// watcher tells which directories have changed.
type watcher struct {
	f    *os.File
	kick chan<- struct{}
	done chan struct{} // closed when the reading goroutine has ended

	mu      sync.Mutex
	dirs    map[int32]string
	watched map[string]bool
	changed map[string]bool
	lost    bool // events were lost: all directories may have changed
}

func newWatcher(kick chan<- struct{}) (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	w := &watcher{
		f: os.NewFile(uintptr(fd), "inotify"), kick: kick, done: make(chan struct{}),
		dirs: make(map[int32]string), watched: make(map[string]bool), changed: make(map[string]bool),
	}
	go w.loop()
	return w, nil
}

// add watches a directory; that it is watched already is no error.
func (w *watcher) add(dir string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watched[dir] {
		return nil
	}
	raw, err := w.f.SyscallConn()
	if err != nil {
		return err
	}
	var wd int
	control := raw.Control(func(fd uintptr) { wd, err = unix.InotifyAddWatch(int(fd), dir, watchMask) })
	if err = errors.Join(control, err); err != nil {
		return fmt.Errorf("watch %s: %w", dir, err)
	}
	w.dirs[int32(wd)] = dir
	w.watched[dir] = true
	return nil
}

// take returns the directories that have changed since the last call; all says
// that any may have.
func (w *watcher) take() (changed map[string]bool, all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.changed) == 0 && !w.lost {
		return nil, false
	}
	changed, all = w.changed, w.lost
	w.changed, w.lost = make(map[string]bool), false
	return changed, all
}

func (w *watcher) loop() {
	defer close(w.done)
	buf := make([]byte, 16<<10)
	for {
		n, err := w.f.Read(buf)
		if err != nil {
			return
		}
		w.note(buf[:n])
		select {
		case w.kick <- struct{}{}:
		default:
		}
	}
}

// note takes the events of one read.
func (w *watcher) note(b []byte) {
	const header = int(unsafe.Sizeof(unix.InotifyEvent{}))
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(b) >= header {
		wd := int32(binary.NativeEndian.Uint32(b))
		mask := binary.NativeEndian.Uint32(b[4:])
		length := int(binary.NativeEndian.Uint32(b[12:]))
		b = b[min(len(b), header+length):]
		dir := w.dirs[wd]
		switch {
		case mask&unix.IN_Q_OVERFLOW != 0:
			w.lost = true
		case mask&unix.IN_IGNORED != 0: // the directory is gone
			delete(w.dirs, wd)
			delete(w.watched, dir)
			w.changed[dir] = true
		default:
			w.changed[dir] = true
		}
	}
}

func (w *watcher) close() error {
	err := w.f.Close()
	<-w.done
	return err
}

// takeWatched marks what the watcher has seen change.
func (t *Tailer) takeWatched() {
	if t.watch == nil {
		return
	}
	changed, all := t.watch.take()
	if len(changed) == 0 && !all {
		return
	}
	for _, g := range t.groups {
		g.scanDue = g.scanDue || all || changed[g.dir]
	}
	for _, p := range t.patterns {
		p.due = p.due || all || changed[filepath.Dir(p.Glob)]
	}
}

func (t *Tailer) watchDir(dir string) {
	if t.watch == nil {
		return
	}
	if err := t.watch.add(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.complain("scan", "cannot watch log directory", "error", err)
	}
}

// watchPattern watches the directory of a pattern, if it names one.
func (t *Tailer) watchPattern(glob string) {
	if dir := filepath.Dir(glob); !strings.ContainsAny(dir, `*?[\`) {
		t.watchDir(dir)
	}
}
