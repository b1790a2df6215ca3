package metricstore

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// space refuses writes before the disk is quite full. The TSDB panics when its
// newest chunks find no room; when its log does not it gives an error, but leaves
// half a record there, and a replay ends at that: some room must always be left
// for both. Safe for concurrent use.
type space struct {
	dir     string
	reserve uint64 // bytes; 0 takes the default
}

const defaultReserve = 64 << 20

// check returns an error that wraps ErrDiskFull when less than the reserve is
// free. It costs a few microseconds, and is asked for every commit: others can
// fill a disk in no time. A filesystem that cannot be asked is taken to have room.
func (s *space) check() error {
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
