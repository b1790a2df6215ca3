package cgroup

import "time"

// How long what a quiet cgroup's files say may be believed.
const (
	// settle covers the 2 s in which the kernel brings memory.stat up to date
	// after the last change.
	settle = int64(3 * time.Second)
	// stale bounds what can change in a cgroup that neither runs nor changes the
	// amount of its memory: pages move between the lists, are written back, or
	// are swapped out while others come in.
	stale = int64(10 * time.Second)
)

// quiet spares the dear files of cgroups in which nothing happens. While the CPU
// counter stands, no task ran: nothing was mapped, faulted, read or written. As
// long as the memory in use stands as well, what memory.stat said some seconds
// after the last movement still holds, but for what the kernel does by itself,
// which is seen 10 s late at most.
type quiet struct {
	cpu, memory uint64
	movedAt     int64 // when either was last seen to move
	readAt      int64 // when the dear files were last read
}

// skip decides whether the dear files may be left alone this time. All times are
// in nanoseconds. A clock that went back counts as movement.
func (q *quiet) skip(cpu, memory uint64, now int64) bool {
	if cpu != q.cpu || memory != q.memory || now < q.readAt {
		q.cpu, q.memory, q.movedAt, q.readAt = cpu, memory, now, now
		return false
	}
	if q.readAt-q.movedAt >= settle && now-q.readAt < stale {
		return true
	}
	q.readAt = now
	return false
}
