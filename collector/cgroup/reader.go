package cgroup

import (
	"errors"
	"hash/fnv"
	"path/filepath"
	"time"

	"github.com/lubberline/lubberline/collector/reading"
)

// ErrGone says that the cgroup does not exist any more, or is another one under
// the same path.
var ErrGone = errors.New("the cgroup is gone")

// How often the files that rarely matter are read.
const (
	slowEvery = int64(10 * time.Second)
	specEvery = int64(30 * time.Second)
)

// fileIndex names a file of a cgroup; each of the two versions has its own.
type fileIndex uint8

// Reader reads one cgroup. Readers of one System belong to one goroutine.
type Reader struct {
	system *System
	id     string
	inode  uint64
	dir    string // in the first hierarchy that has it
	files  []file
	io     blockIO
	quiet  quiet
	// layout is the version's way to read.
	layout  layout
	machine *machineFiles // of the root, else nil

	nextSlow, nextSpec int64
	phase              int64 // spreads the slow reads of many cgroups over time
	seen               bool  // was read before
	slow               bool  // this tick reads the slow files
	leaf               bool  // no cgroup below it
	quota              bool  // a CPU quota is set
	lost               bool  // a file's cgroup vanished while it was open
	answered           bool  // some file could be read this tick
}

// layout is what differs between the versions.
type layout interface {
	// counters reads what changes all the time.
	counters(r *Reader, s *reading.Sample, now int64)
	// extras reads what is read more seldom.
	extras(r *Reader, s *reading.Set)
	// spec reads limits, shares and quota.
	spec(r *Reader, s *reading.Set)
	// pressureFile is the first of the pressure files.
	pressureFile() fileIndex
}

// Open prepares to read a cgroup. It fails with ErrGone when there is no such.
func (s *System) Open(id string) (*Reader, error) {
	r := &Reader{system: s, id: id, io: blockIO{names: &s.shared.names}}
	for _, dir := range s.hierarchies.directories() {
		path := filepath.Join(dir, id)
		if st, ok := statDirectory(path); ok {
			r.dir, r.inode = path, st.Ino
			break
		}
	}
	if r.dir == "" {
		return nil, ErrGone
	}
	r.layout, r.files = v1{}, filesV1(s.hierarchies, id)
	if s.hierarchies.Mode() == "v2" {
		r.layout, r.files = v2{}, filesV2(s.hierarchies.V2, id)
	}
	for i := range r.files {
		r.files[i].open(s.shared)
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	r.phase = int64(h.Sum32()) * 2 // up to 8.6 s
	if id == Root {
		r.machine = openMachine(s.proc, s.shared)
	}
	return r, nil
}

// Close gives the files back.
func (r *Reader) Close() {
	for i := range r.files {
		r.files[i].close(r.system.shared)
	}
	if r.machine != nil {
		r.machine.close(r.system.shared)
	}
}

// Read brings the sample up to date: it must be the one given the last time, as
// it keeps what is not read each time. now is in nanoseconds since the epoch and
// becomes the sample's time. It returns ErrGone when the cgroup went away; what
// the sample then holds means nothing.
func (r *Reader) Read(now int64, s *reading.Sample) error {
	s.Time = now
	r.lost, r.answered = false, false
	if due(&r.nextSpec, now, specEvery, r.phase) {
		r.look()
		r.layout.spec(r, &s.Set)
		// A runtime makes the cgroup first, hierarchy by hierarchy, and sets its
		// limits then: what is new is looked at twice.
		if !r.seen {
			r.seen, r.nextSpec = true, 0
		}
	}
	r.slow = due(&r.nextSlow, now, slowEvery, r.phase)
	r.layout.counters(r, s, now)
	if r.slow {
		r.layout.extras(r, &s.Set)
	}
	if r.machine != nil {
		r.machine.fill(r, &s.Set)
	}
	if r.lost || !r.answered {
		return r.check()
	}
	return nil
}

// due says whether a time has come, and sets the next one. The first one after
// the first is moved up by phase. A clock that went back makes it come at once.
func due(next *int64, now, every, phase int64) bool {
	if now < *next && now >= *next-every {
		return false
	}
	if *next == 0 {
		now -= phase
	}
	*next = now + every
	return true
}

// look finds files that were missing, and whether there are cgroups below.
func (r *Reader) look() {
	for i := range r.files {
		if f := &r.files[i]; f.fd == missing {
			f.open(r.system.shared)
		}
	}
	if st, ok := statDirectory(r.dir); ok {
		r.leaf = len(subdirectories(r.dir, &st)) == 0
	}
}

// check says whether the cgroup is still the one that was opened.
func (r *Reader) check() error {
	st, ok := statDirectory(r.dir)
	if !ok || st.Ino != r.inode {
		return ErrGone
	}
	return nil
}

// content reads a file; see file.read.
func (r *Reader) content(i fileIndex) ([]byte, bool) {
	b, ok, gone := r.files[i].read(r.system.shared)
	r.lost, r.answered = r.lost || gone, r.answered || ok
	return b, ok
}

// scalar reads a file of one number into a field, which becomes unknown when the
// file does not say.
func (r *Reader) scalar(i fileIndex, s *reading.Set, f reading.Field) (uint64, bool) {
	b, ok := r.content(i)
	var v uint64
	if ok {
		v, ok = parseScalar(b)
	}
	putIf(ok, s, f, v)
	return v, ok
}

// limit is scalar for limits.
func (r *Reader) limit(i fileIndex, s *reading.Set, f reading.Field) {
	b, ok := r.content(i)
	var v uint64
	if ok {
		v, ok = parseLimit(b)
	}
	putIf(ok, s, f, v)
}

// processes counts the processes of the cgroup itself. The kernel makes the list
// anew for each reader, so it is not asked where the number of threads says it.
func (r *Reader) processes(i fileIndex, s *reading.Set) {
	if n, ok := s.Get(reading.Threads); ok && r.leaf && n <= 1 {
		s.Put(reading.Processes, n)
		return
	}
	b, ok := r.content(i)
	putIf(ok, s, reading.Processes, countLines(b))
}

// pressure reads one PSI file.
func (r *Reader) pressure(i fileIndex, s *reading.Set, some, full reading.Field) {
	if b, ok := r.content(i); ok {
		parsePressure(b, s, some, full)
	}
}

// workingSet is the memory in use less what can simply be dropped.
func workingSet(s *reading.Set) {
	usage, ok1 := s.Get(reading.MemoryUsage)
	inactive, ok2 := s.Get(reading.MemoryInactiveFile)
	putIf(ok1 && ok2, s, reading.MemoryWorkingSet, usage-min(inactive, usage))
}

// drop makes fields unknown.
func drop(s *reading.Set, fields ...reading.Field) {
	for _, f := range fields {
		s.Drop(f)
	}
}
