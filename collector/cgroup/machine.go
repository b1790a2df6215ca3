package cgroup

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/lubberline/lubberline/collector/reading"
)

// machineFiles are the files of /proc that say of the whole machine what the
// root cgroup's files leave out.
type machineFiles struct {
	proc             string
	meminfo, loadavg file
	threadsMax       file
	cpu, memory, io  file // pressure
}

func openMachine(proc string, s *shared) *machineFiles {
	m := &machineFiles{proc: proc}
	for name, f := range map[string]*file{
		"meminfo": &m.meminfo, "loadavg": &m.loadavg, "sys/kernel/threads-max": &m.threadsMax,
		"pressure/cpu": &m.cpu, "pressure/memory": &m.memory, "pressure/io": &m.io,
	} {
		f.path = filepath.Join(proc, name)
		f.open(s)
	}
	return m
}

func (m *machineFiles) close(s *shared) {
	for _, f := range []*file{&m.meminfo, &m.loadavg, &m.cpu, &m.memory, &m.io, &m.threadsMax} {
		f.close(s)
	}
}

// fill puts in what the root cgroup did not say.
func (m *machineFiles) fill(r *Reader, set *reading.Set) {
	s := r.system.shared
	_, usage := set.Get(reading.MemoryUsage)
	if _, limit := set.Get(reading.SpecMemoryLimit); !usage || !limit {
		if b, ok := m.content(&m.meminfo, s); ok {
			parseMeminfo(b, set)
			workingSet(set)
		}
	}
	if _, ok := set.Get(reading.Threads); !ok {
		if b, ok := m.content(&m.loadavg, s); ok {
			parseThreads(b, set)
		}
	}
	if _, ok := set.Get(reading.ThreadsMax); !ok {
		m.limitThreads(set, s)
	}
	if r.slow {
		m.countProcesses(set)
	}
	if r.files[r.layout.pressureFile()].fd == missing {
		m.pressure(set, s)
	}
}

func (m *machineFiles) content(f *file, s *shared) ([]byte, bool) {
	b, ok, _ := f.read(s)
	return b, ok
}

func (m *machineFiles) pressure(set *reading.Set, s *shared) {
	if b, ok := m.content(&m.cpu, s); ok {
		parsePressure(b, set, reading.PressureCPUWaiting, reading.PressureCPUStalled)
	}
	if b, ok := m.content(&m.memory, s); ok {
		parsePressure(b, set, reading.PressureMemoryWaiting, reading.PressureMemoryStalled)
	}
	if b, ok := m.content(&m.io, s); ok {
		parsePressure(b, set, reading.PressureIOWaiting, reading.PressureIOStalled)
	}
}

func (m *machineFiles) limitThreads(set *reading.Set, s *shared) {
	if b, ok := m.content(&m.threadsMax, s); ok {
		limit, ok := parseLimit(b)
		putIf(ok, set, reading.ThreadsMax, limit)
	}
}

// countProcesses counts the machine's processes, which /proc lists.
func (m *machineFiles) countProcesses(set *reading.Set) {
	entries, err := os.ReadDir(m.proc)
	n := uint64(0)
	for _, e := range entries {
		if name := e.Name(); name[0] >= '1' && name[0] <= '9' {
			n++
		}
	}
	putIf(err == nil && n > 0, set, reading.Processes, n)
}

// parseMeminfo reads /proc/meminfo: the limit of the root is the machine's
// memory, and its use what is not free, where the cgroup itself does not say.
func parseMeminfo(b []byte, set *reading.Set) {
	var total, free uint64
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		key, rest := nextWord(line)
		v, _, ok := parseUint(rest)
		if !ok {
			continue
		}
		switch string(key) {
		case "MemTotal:":
			total = v << 10
		case "MemFree:":
			free = v << 10
		}
	}
	if total == 0 {
		return
	}
	set.Put(reading.SpecMemoryLimit, total)
	if _, ok := set.Get(reading.MemoryUsage); !ok && free <= total {
		set.Put(reading.MemoryUsage, total-free)
	}
}

// parseThreads reads the number of threads from /proc/loadavg, "0.20 0.18 0.12
// 1/80 11206".
func parseThreads(b []byte, set *reading.Set) {
	i := bytes.IndexByte(b, '/')
	if i < 0 {
		return
	}
	if v, _, ok := parseUint(b[i+1:]); ok {
		set.Put(reading.Threads, v)
	}
}
