package cgroup

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// parseInotify reads the first event of a batch. ok is false when the batch is
// cut short.
func parseInotify(batch []byte) (e inotifyEvent, rest []byte, ok bool) {
	const head = unix.SizeofInotifyEvent
	if len(batch) < head {
		return e, nil, false
	}
	e.wd = int32(binary.NativeEndian.Uint32(batch))
	e.mask = binary.NativeEndian.Uint32(batch[4:])
	size := uint64(binary.NativeEndian.Uint32(batch[12:]))
	if size > uint64(len(batch)-head) {
		return e, nil, false
	}
	name := batch[head : head+size]
	if end := bytes.IndexByte(name, 0); end >= 0 {
		name = name[:end]
	}
	e.name = string(name)
	return e, batch[head+size:], true
}
