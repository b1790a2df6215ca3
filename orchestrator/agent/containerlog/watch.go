package containerlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// watcher tells of changes in one folder.
type watcher struct {
	file *os.File
	buf  []byte
}

func watch(dir string) (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", dir, err)
	}
	const mask = unix.IN_MODIFY | unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE
	if _, err := unix.InotifyAddWatch(fd, dir, mask); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("watch %s: %w", dir, err)
	}
	return &watcher{os.NewFile(uintptr(fd), "inotify"), make([]byte, 4096)}, nil
}

func (w *watcher) close() { _ = w.file.Close() }

// wait returns after something has changed, after the bound, or with ctx's
// error. Changes since the last wait count.
func (w *watcher) wait(ctx context.Context, bound time.Duration) error {
	if err := w.file.SetReadDeadline(time.Now().Add(bound)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = w.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := w.file.Read(w.buf)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}
