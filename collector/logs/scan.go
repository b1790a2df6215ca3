package logs

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// listed is one file of a directory listing.
type listed struct {
	path string
	info info
}

// stableTries is how often a directory is listed until two listings agree:
// rotation renames files while they are being looked at.
const stableTries = 5

// scanIfDue looks for new files of a container. A look at the path of the file
// that is written to tells a rotation at once; the directory is listed when it
// has changed, and now and then.
func (t *Tailer) scanIfDue(g *group) {
	if g.pattern {
		return
	}
	if !g.scanDue && t.now.Sub(g.scanned) < t.rescanAfter() {
		in, err := statPath(g.source.Path)
		if c := g.current(); err == nil && c != nil && c.id == in.id {
			return
		}
		if err != nil && t.now.Sub(g.scanned) < t.options.RescanInterval {
			return
		}
	}
	g.scanDue, g.scanned = false, t.now
	if err := t.scan(g); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.complain("scan", "cannot look for log files", "path", g.source.Path, "error", err)
		t.metrics.readErrs.Inc()
	}
	g.known = true
}

// rescanAfter is how long a directory that is watched goes unlisted.
func (t *Tailer) rescanAfter() time.Duration {
	if t.watch == nil {
		return t.options.RescanInterval
	}
	return 10 * t.options.RescanInterval
}

func (t *Tailer) scan(g *group) error {
	g.dir, g.base = filepath.Split(resolve(g.source.Path))
	g.dir = filepath.Clean(g.dir)
	t.watchDir(g.dir)
	list, err := listStable(g.dir, g.base)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			t.merge(g, nil)
		}
		return err
	}
	t.merge(g, list)
	return nil
}

// resolve follows symbolic links. A file that is not there, because rotation has
// just taken it away, is still looked for where the link points.
func resolve(path string) string {
	for range 40 { // as deep as the kernel goes
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return real
		}
		target, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return path
}

// listStable lists the files of a rotation, the oldest first.
func listStable(dir, base string) ([]listed, error) {
	var last []listed
	for range stableTries {
		list, err := list(dir, base)
		if err != nil {
			return nil, err
		}
		same := func(a, b listed) bool { return a.path == b.path && a.info.id == b.info.id }
		if last != nil && slices.EqualFunc(list, last, same) {
			return list, nil
		}
		last = list
	}
	return last, nil
}

func list(dir, base string) ([]listed, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list log directory: %w", err)
	}
	out := make([]listed, 0, 4)
	for _, e := range entries {
		name := e.Name()
		if name != base && !strings.HasPrefix(name, base+".") || strings.HasSuffix(name, ".tmp") {
			continue
		}
		in, err := statPath(filepath.Join(dir, name))
		if err == nil && in.regular {
			out = append(out, listed{filepath.Join(dir, name), in})
		}
	}
	slices.SortFunc(out, func(a, b listed) int { return compareAge(filepath.Base(a.path), filepath.Base(b.path), base) })
	return out, nil
}

// compareAge orders the names of a rotation, the oldest first: higher numbers
// are older, later dates are newer, and the name without any is the newest.
func compareAge(a, b, base string) int {
	if a == base || b == base {
		return cmp.Compare(boolInt(a == base), boolInt(b == base))
	}
	a = strings.TrimSuffix(strings.TrimPrefix(a, base+"."), packedSuffix)
	b = strings.TrimSuffix(strings.TrimPrefix(b, base+"."), packedSuffix)
	m, errA := strconv.Atoi(a)
	n, errB := strconv.Atoi(b)
	const firstDate = 1_000_000 // "20261124" is no generation's number
	if errA == nil && errB == nil && m < firstDate && n < firstDate {
		return cmp.Compare(n, m)
	}
	return cmp.Compare(a, b)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// merge brings a group's files in line with a listing.
func (t *Tailer) merge(g *group, list []listed) {
	before := g.current()
	var here []*file
	for _, l := range list {
		if f := t.place(g, l); f != nil && !slices.Contains(here, f) {
			here = append(here, f)
		}
	}
	files := slices.Clone(g.files)
	for _, f := range g.files {
		if slices.Contains(here, f) || t.miss(f) {
			continue
		}
		t.forget(g, f)
		files = slices.DeleteFunc(files, func(o *file) bool { return o == f })
	}
	g.reorder(insertNew(files, here))
	if now := g.current(); before != nil && now != before {
		t.metrics.rotations.Inc()
	}
}

// insertNew puts the files of a listing that are not in files yet before the
// known ones that follow them in it, or at the end.
func insertNew(files, listing []*file) []*file {
	for i, f := range listing {
		if slices.Contains(files, f) {
			continue
		}
		at := len(files)
		for _, next := range listing[i+1:] {
			if k := slices.Index(files, next); k >= 0 {
				at = k
				break
			}
		}
		files = slices.Insert(files, at, f)
	}
	return files
}

// place finds or opens the file of a listing.
func (t *Tailer) place(g *group, l listed) *file {
	for _, f := range g.files {
		if f.id != l.info.id {
			continue
		}
		if f.h == noHandle && !t.unchanged(f, l) {
			t.forget(g, f)
			break
		}
		return t.meet(f, l)
	}
	if owner := t.owners[l.info.id]; owner != nil && owner != g {
		t.complain("owner", "log file belongs to two sources, reading it for the first only",
			"path", l.path, "first", owner.source.ID, "second", g.source.ID)
		return nil
	}
	f := &file{h: noHandle, path: l.path, fresh: true, size: -1, grown: t.now, listed: true,
		packed: strings.HasSuffix(l.path, packedSuffix)}
	if !t.open(f, l.info.id) {
		return nil
	}
	t.owners[f.id] = g
	return f
}

// unchanged says that a closed file's inode has not been given to another: the
// content is the same, as far as it went.
func (t *Tailer) unchanged(f *file, l listed) bool {
	if f.packed || strings.HasSuffix(l.path, packedSuffix) {
		return f.path == l.path
	}
	if l.info.size == f.size && l.info.modified == f.modified {
		return true
	}
	if l.info.size < f.offset {
		return false
	}
	h, in, err := openPath(l.path)
	if err != nil || in.id != f.id {
		h.close()
		return err != nil
	}
	defer h.close()
	n, err := h.read(t.headBuf[:], 0)
	return err != nil || f.hasHead(t.headBuf[:n])
}

// meet notes that a known file is still there, maybe under another name, and
// opens it again when something was added.
func (t *Tailer) meet(f *file, l listed) *file {
	if f.path != l.path && !f.fresh && f.copyOf == nil {
		f.dirty = true // its position names the path
	}
	f.path, f.listed, f.unlinked = l.path, true, false
	if f.h == noHandle && !f.done && (l.info.size != f.size || l.info.modified != f.modified) {
		t.open(f, f.id)
	}
	return f
}

// open opens a file unless another has taken its name; a zero id is any.
func (t *Tailer) open(f *file, want fileID) bool {
	h, in, err := openPath(f.path)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			t.complainRead(f.path, err)
		}
		return false
	}
	if in.id != want {
		h.close()
		return false
	}
	f.h, f.id = h, in.id
	t.openFiles++
	return true
}

// miss notes that a file is not where it was; false when there is nothing left
// to read from it.
func (t *Tailer) miss(f *file) bool {
	if f.listed {
		f.grown = later(f.grown, t.now)
	}
	f.listed = false
	if f.h == noHandle || f.done {
		return false
	}
	if f.packed {
		return true
	}
	in, err := f.h.stat()
	if err == nil && in.links == 0 && !f.unlinked {
		f.unlinked = true
		t.metrics.unreadAtDeletion.Add(float64(max(0, in.size-f.offset)))
	}
	return true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
