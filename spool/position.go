package spool

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// acquire locks the directory and tells whether the machine was started anew
// since it was last open.
func (s *Spool) acquire() (rebooted bool, err error) {
	name := s.path("lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return false, fmt.Errorf("open spool lock: %w", err)
	}
	previous, _ := io.ReadAll(io.LimitReader(f, 256))
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return false, fmt.Errorf("%w: %s", ErrLocked, s.options.Dir)
		}
		return false, fmt.Errorf("lock %s: %w", name, err)
	}
	s.lock = f
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // unknown compares as the same
	if bytes.Equal(previous, boot) {
		return false, nil
	}
	if err := f.Truncate(0); err != nil {
		return false, fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.WriteAt(boot, 0)
	if err != nil {
		return false, fmt.Errorf("write %s: %w", name, err)
	}
	return len(previous) > 0, nil
}

// loadID reads the directory's id, or makes it.
func loadID(dir string) (string, error) {
	name := dir + "/id"
	if b, err := os.ReadFile(name); err == nil && len(b) == 16 {
		return string(b), nil
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read spool id: %w", err)
	}
	var raw [8]byte
	rand.Read(raw[:])
	id := hex.EncodeToString(raw[:])
	if err := writeDurably(name, []byte(id)); err != nil {
		return "", fmt.Errorf("write spool id: %w", err)
	}
	return id, nil
}

// writeDurably makes a file whole or not at all.
func writeDurably(name string, data []byte) error {
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// positionBytes is the length of the file "position": the acknowledged number
// and its CRC-32C. It is written in place and not fsynced: a lost one means
// that entries are sent once more.
const positionBytes = 12

func (s *Spool) openPosition() error {
	f, err := s.fs.Open(s.path("position"), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return fmt.Errorf("open spool position: %w", err)
	}
	s.position = f
	var b [positionBytes]byte
	if _, err := f.ReadAt(b[:], 0); err != nil {
		return nil //nolint:nilerr // no position yet: everything is sent again, under its own number
	}
	if binary.LittleEndian.Uint32(b[8:]) == crc32.Checksum(b[:8], castagnoli) {
		s.acked = binary.LittleEndian.Uint64(b[:])
	}
	return nil
}

// writePosition needs s.mu. Its errors are not the caller's concern.
func (s *Spool) writePosition() {
	var b [positionBytes]byte
	binary.LittleEndian.PutUint64(b[:], s.acked)
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b[:8], castagnoli))
	if err := s.position.WriteVec([][]byte{b[:]}, 0); err != nil {
		s.complain("position", "cannot keep the spool's position; entries will be sent again after a restart", "error", err)
	}
}

// Ack tells that seq and everything before it is delivered. Segments that hold
// nothing else are deleted. Numbers that are acknowledged already are ignored;
// one that was never given out is an error.
func (s *Spool) Ack(seq uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if next := s.nextSeq(); seq >= next {
		return fmt.Errorf("spool %s: acknowledge %d, but the next entry is %d", s.options.Dir, seq, next)
	}
	if seq <= s.acked {
		return nil
	}
	s.acked = seq
	s.writePosition()
	if s.segments[0].last <= seq && len(s.segments) > 1 {
		poke(s.sweeps)
	}
	return nil
}
