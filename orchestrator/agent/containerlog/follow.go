package containerlog

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// checkEnd is how often a quiet container is looked at: the end of one whose
// log file is not closed shows in no other way.
const checkEnd = 5 * time.Second

// follow reads until the container has ended.
func (r *reader) follow(ctx context.Context, running func() bool) error {
	w, err := watch(filepath.Dir(r.path))
	if err != nil {
		return err
	}
	defer w.close()
	for {
		// First the question, then the reading: what was written before the end
		// is read after it.
		ended := !running()
		if err := r.drain(ctx); err != nil {
			return err
		}
		moved, err := r.advance()
		if err != nil {
			return err
		}
		if moved {
			continue
		}
		if ended {
			return r.flush()
		}
		if err := w.wait(ctx, checkEnd); err != nil {
			return err
		}
	}
}

// advance goes on to the file that came after the one that is being read, if
// there is one. What is left of the old one has been read by then: a runtime
// writes to the new file only when it has let go of the old.
func (r *reader) advance() (moved bool, err error) {
	next, err := r.next()
	if next == "" || err != nil {
		return false, err
	}
	f, err := os.Open(next)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // being rotated just now
	}
	if err != nil {
		return false, err
	}
	// The last bytes may have come between our reading and the rotation.
	if err := r.drain(context.Background()); err != nil {
		_ = f.Close()
		return false, err
	}
	if err := r.flush(); err != nil {
		_ = f.Close()
		return false, err
	}
	_ = r.file.Close()
	r.file = f
	return true, nil
}

// next finds the file after ours: rotated files carry their time in their
// names, and the one without is the newest. It is empty while ours is the newest.
func (r *reader) next() (string, error) {
	own, err := r.file.Stat()
	if err != nil {
		return "", err
	}
	newest, err := os.Stat(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil || os.SameFile(own, newest) {
		return "", err
	}
	rotated, err := rotatedFiles(r.path)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(rotated, func(name string) bool {
		info, err := os.Stat(name)
		return err == nil && os.SameFile(own, info)
	})
	if i < 0 || i+1 == len(rotated) || filepath.Ext(rotated[i+1]) == gzipSuffix {
		return r.path, nil
	}
	return rotated[i+1], nil
}
