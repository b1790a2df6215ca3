package metricstore

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// space refuses writes before the disk is quite full. The TSDB gives an error
// when its log finds no room, but panics when its newest chunks do not: some
// room must always be left for them. Safe for concurrent use.
type space struct {
	dir     string
	reserve uint64 // bytes; 0 takes the default

	mu      sync.Mutex // guards what follows
	checked time.Time
	err     error
}

const (
	defaultReserve = 64 << 20
	spaceInterval  = time.Second
)

// check returns an error that wraps ErrDiskFull when less than the reserve is
// free. It asks the filesystem once a second at most. A filesystem that cannot
// be asked is taken to have room.
func (s *space) check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.checked) >= spaceInterval || now.Before(s.checked) {
		s.checked, s.err = now, s.ask()
	}
	return s.err
}

func (s *space) ask() error {
	var fs unix.Statfs_t
	if err := unix.Statfs(s.dir, &fs); err != nil {
		return nil //nolint:nilerr // the write itself will tell
	}
	block := uint64(fs.Bsize)
	reserve := s.reserve
	if reserve == 0 { // less on small filesystems
		reserve = min(defaultReserve, fs.Blocks*block/16)
	}
	if free := fs.Bavail * block; free < reserve {
		return fmt.Errorf("%w: %d bytes are free in %s and %d are kept in reserve", ErrDiskFull, free, s.dir, reserve)
	}
	return nil
}
