package logs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/collector/chunk"
	"github.com/lubberline/lubberline/collector/logs/position"
)

// packedSuffix is that of files which rotation has compressed.
const packedSuffix = ".gz"

// identifyPacked finds out what of a compressed file has not been read, and
// unpacks that into a scratch file that is read as any other. False: it cannot
// be told yet, because its original is still read or it is still written.
func (t *Tailer) identifyPacked(g *group, f *file) bool {
	in, err := f.h.stat()
	if err != nil || in.size == 0 {
		return false
	}
	same := in.size == f.size && in.modified == f.modified
	f.look(in, t.now)
	if f.broken && same && t.now.Sub(f.grown) < t.options.RotateWait {
		return false
	}
	head, err := t.unpackHead(f.h)
	if err != nil {
		return t.brokenPacked(f, err)
	}
	for _, p := range t.known(f.id) {
		if !fits(&p, head, p.End) {
			continue
		}
		if p.Done {
			f.goOn(p.Seen, p)
			f.done = true
			t.closeFile(f)
			return true
		}
		return t.unpack(f, p, p.Seen, true)
	}
	if t.unreadOriginal(f, head) {
		return false
	}
	p, copied, wait := t.original(f, head, 1<<62, func(p *chunk.Position) bool { return t.packedTailFits(f.h, p) })
	if wait {
		return false
	}
	if copied {
		t.metrics.copies.Inc()
		p = g.takeOver(f, p)
	}
	return t.unpack(f, p, t.nextSeen(), copied)
}

// unreadOriginal says that a file is being read, or waits to be, that begins as
// f's content does.
func (t *Tailer) unreadOriginal(f *file, head []byte) bool {
	for _, g := range t.groups {
		for _, o := range g.files {
			if o == f || o.packed || o.h == noHandle || filepath.Dir(o.path) != filepath.Dir(f.path) {
				continue
			}
			n, err := o.h.read(t.compareBuf[:len(head)], 0)
			if err == nil && n == len(head) && string(t.compareBuf[:n]) == string(head) && n > 0 {
				return true
			}
		}
	}
	return false
}

func (t *Tailer) unpackHead(h handle) ([]byte, error) {
	z, err := gzip.NewReader(io.NewSectionReader(h, 0, 1<<62))
	if err != nil {
		return nil, err
	}
	n, err := io.ReadFull(z, t.headBuf[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return t.headBuf[:n], nil
}

// packedTailFits is tailFits for compressed content.
func (t *Tailer) packedTailFits(h handle, p *chunk.Position) bool {
	z, err := gzip.NewReader(io.NewSectionReader(h, 0, 1<<62))
	if err != nil {
		return false
	}
	tail := min(p.End, position.TailBytes)
	if _, err := io.CopyN(io.Discard, z, p.End-tail); err != nil {
		return false
	}
	var buf [position.TailBytes]byte
	if _, err := io.ReadFull(z, buf[:tail]); err != nil {
		return false
	}
	return position.Tail(buf[:tail]) == p.Tail
}

// unpack writes the content from p on to a scratch file and lets f read that.
func (t *Tailer) unpack(f *file, p chunk.Position, seen int64, goOn bool) bool {
	scratch, size, err := t.unpackFrom(f.h, max(0, p.Start()-position.TailBytes))
	if err != nil && (scratch == noHandle || t.now.Sub(f.grown) < t.options.RotateWait) {
		scratch.close()
		return t.brokenPacked(f, err)
	}
	if err != nil {
		t.complain("packed", "compressed log file is damaged, taking what can be read", "path", f.path, "error", err)
	}
	if goOn && size < p.End {
		scratch.close()
		return t.unpack(f, chunk.Position{}, t.nextSeen(), false)
	}
	f.h.close()
	f.h = scratch
	if goOn {
		f.goOn(seen, p)
	} else {
		f.begin(seen, 0)
	}
	t.keepEnds(f)
	f.dirty = true
	if goOn && size == p.End && p.Start() == p.End {
		f.done = true
		t.closeFile(f)
	}
	return true
}

// brokenPacked is for what does not unpack: it may still be written. After the
// rotate wait it is given up.
func (t *Tailer) brokenPacked(f *file, err error) bool {
	if f.broken = true; t.now.Sub(f.grown) < t.options.RotateWait {
		return false
	}
	t.complain("packed", "compressed log file cannot be read, giving it up", "path", f.path, "error", err)
	t.metrics.shedFiles.Inc()
	f.begin(t.nextSeen(), 0)
	f.done = true
	t.closeFile(f)
	return true
}

// unpackFrom writes compressed content into a file without a name, at the
// offsets that it has unpacked; of what is before an offset only the head. It
// returns the content's size. A damaged file's readable part comes with an
// error.
func (t *Tailer) unpackFrom(h handle, from int64) (handle, int64, error) {
	z, err := gzip.NewReader(io.NewSectionReader(h, 0, 1<<62))
	if err != nil {
		return noHandle, 0, err
	}
	scratch, err := t.scratch()
	if err != nil {
		return noHandle, 0, err
	}
	var size int64
	for {
		n, err := io.ReadFull(z, t.compareBuf)
		if written := t.writeUnpacked(scratch, t.compareBuf[:n], size, from); written != nil {
			scratch.close()
			return noHandle, 0, written
		}
		size += int64(n)
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF && n < len(t.compareBuf) && atEnd(z):
			return scratch, size, nil
		case err != nil:
			return scratch, size, err
		case size-from > t.options.MaxUnpacked:
			return scratch, size, fmt.Errorf("more than %d bytes of content", t.options.MaxUnpacked)
		}
	}
}

// atEnd tells the end of compressed content from its being cut short, which
// io.ReadFull does not.
func atEnd(r io.Reader) bool {
	var one [1]byte
	_, err := r.Read(one[:])
	return err == io.EOF
}

func (t *Tailer) writeUnpacked(scratch handle, b []byte, at, from int64) error {
	if at > 0 && at+int64(len(b)) <= from {
		return nil
	}
	for len(b) > 0 {
		n, err := unix.Pwrite(int(scratch), b, at)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("write scratch file: %w", err)
		}
		b, at = b[n:], at+int64(n)
	}
	return nil
}

// scratch makes a file that vanishes with its handle.
func (t *Tailer) scratch() (handle, error) {
	f, err := os.CreateTemp(t.options.ScratchDir, "unpacked-*")
	if err != nil {
		return noHandle, err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return noHandle, err
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return noHandle, fmt.Errorf("scratch file: %w", err)
	}
	return handle(fd), nil
}
