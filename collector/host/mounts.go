package host

import (
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mountChanges is a mount table that is kept open: so the kernel tells of its
// changes. What was mounted last is measured at once, and what was unmounted is
// not taken for the folder below.
type mountChanges struct{ poll [1]unix.PollFd }

// openMountChanges opens the table of process 1, or where that is not allowed, our
// own. Without either there is never a change.
func openMountChanges(procPath string) *mountChanges {
	c := &mountChanges{[1]unix.PollFd{{Fd: -1, Events: unix.POLLPRI}}}
	for _, process := range []string{"1", "self"} {
		// Not with package os, whose own poller would be told of the changes.
		fd, err := unix.Open(filepath.Join(procPath, process, "mountinfo"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			c.poll[0].Fd = int32(fd)
			break
		}
	}
	return c
}

// any says whether there was a change since it was asked last.
func (c *mountChanges) any() bool {
	_, err := unix.Poll(c.poll[:], 0)
	return err == nil && c.poll[0].Revents&unix.POLLPRI != 0
}

func (c *mountChanges) close() error {
	if c.poll[0].Fd < 0 {
		return nil
	}
	return unix.Close(int(c.poll[0].Fd))
}
