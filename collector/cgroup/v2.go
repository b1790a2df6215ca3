package cgroup

import (
	"os"
	"path/filepath"

	"github.com/lubberline/lubberline/collector/reading"
)

// The files of a v2 cgroup.
const (
	cpuStat fileIndex = iota
	memoryCurrent
	memoryStat2
	swapCurrent
	pidsCurrent2
	ioStat
	cpuPressure2
	memoryPressure2
	ioPressure2
	memoryPeak
	memoryEvents
	procs2
	cpuWeight
	cpuMax
	memoryMax2
	memoryLow
	swapMax
	pidsMax2
	numFilesV2
)

var namesV2 = [numFilesV2]struct {
	name   string
	seldom bool
}{
	cpuStat:         {"cpu.stat", false},
	memoryCurrent:   {"memory.current", false},
	memoryStat2:     {"memory.stat", false},
	swapCurrent:     {"memory.swap.current", false},
	pidsCurrent2:    {"pids.current", false},
	ioStat:          {"io.stat", false},
	cpuPressure2:    {"cpu.pressure", false},
	memoryPressure2: {"memory.pressure", false},
	ioPressure2:     {"io.pressure", false},
	memoryPeak:      {"memory.peak", false},
	memoryEvents:    {"memory.events", false},
	procs2:          {"cgroup.procs", true},
	cpuWeight:       {"cpu.weight", true},
	cpuMax:          {"cpu.max", true},
	memoryMax2:      {"memory.max", true},
	memoryLow:       {"memory.low", true},
	swapMax:         {"memory.swap.max", true},
	pidsMax2:        {"pids.max", true},
}

func filesV2(dir, id string) []file {
	files := make([]file, numFilesV2)
	for i, n := range namesV2 {
		files[i] = file{path: filepath.Join(dir, id, n.name), fd: missing, seldom: n.seldom}
	}
	return files
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// v2 is the layout of the unified hierarchy.
type v2 struct{}

func (v2) counters(r *Reader, s *reading.Sample, now int64) {
	drop(&s.Set, reading.CPUUsage, reading.CPUUser, reading.CPUSystem)
	if b, ok := r.content(cpuStat); ok {
		parseCPUStat(b, &s.Set, r.quota)
	}
	cpu, ok1 := s.Get(reading.CPUUsage)
	memory, ok2 := r.scalar(memoryCurrent, &s.Set, reading.MemoryUsage)
	r.scalar(pidsCurrent2, &s.Set, reading.Threads)
	if !(ok1 && ok2 && r.quiet.skip(cpu, memory, now)) {
		r.memory2(&s.Set)
	}
	workingSet(&s.Set)
	// Writeback is charged to the cgroup whose pages it writes, though none of
	// its tasks run: a quiet cgroup's io.stat moves.
	if b, ok := r.content(ioStat); ok {
		r.io.parseIOStat(b)
		s.Devices = r.io.publish(s.Devices)
	}
	r.pressures(&s.Set, cpuPressure2, memoryPressure2, ioPressure2)
}

func (r *Reader) memory2(s *reading.Set) {
	drop(s, reading.MemoryRSS, reading.MemoryCache, reading.MemoryMappedFile, reading.MemoryKernel,
		reading.MemoryActiveFile, reading.MemoryInactiveFile, reading.MemoryDirty, reading.MemoryWriteback,
		reading.MemoryFaults, reading.MemoryMajorFaults, reading.MemoryFaultsTree, reading.MemoryMajorFaultsTree)
	if b, ok := r.content(memoryStat2); ok {
		parseMemoryStat2(b, s, r.leaf)
	}
	r.scalar(swapCurrent, s, reading.MemorySwap)
}

func (v2) extras(r *Reader, s *reading.Set) {
	r.scalar(memoryPeak, s, reading.MemoryMaxUsage)
	drop(s, reading.MemoryFailcnt, reading.OOMKills)
	if b, ok := r.content(memoryEvents); ok {
		parseMemoryEvents(b, s)
	}
	r.processes(procs2, s)
}

func (v2) spec(r *Reader, s *reading.Set) {
	weight, ok := r.scalar(cpuWeight, s, reading.SpecCPUShares)
	if ok {
		weight, ok = sharesOfWeight(weight)
	}
	putIf(ok, s, reading.SpecCPUShares, weight)
	r.cpuMax(s)
	r.limit(memoryMax2, s, reading.SpecMemoryLimit)
	r.limit(memoryLow, s, reading.SpecMemoryReservation)
	if v, _ := s.Get(reading.SpecMemoryReservation); v == 0 {
		s.Drop(reading.SpecMemoryReservation) // 0 is "none reserved"
	}
	r.limit(swapMax, s, reading.SpecMemorySwapLimit)
	// v1 counts memory in the limit of swap, v2 does not.
	memory, ok1 := s.Get(reading.SpecMemoryLimit)
	swap, ok2 := s.Get(reading.SpecMemorySwapLimit)
	putIf(ok1 && ok2, s, reading.SpecMemorySwapLimit, memory+swap)
	r.limit(pidsMax2, s, reading.ThreadsMax)
}

func (r *Reader) cpuMax(s *reading.Set) {
	var quota, period uint64
	limited, ok := false, false
	if b, there := r.content(cpuMax); there {
		quota, period, limited, ok = parseCPUMax(b)
	}
	r.quota = ok && limited
	putIf(ok, s, reading.SpecCPUPeriod, period)
	putIf(r.quota, s, reading.SpecCPUQuota, quota)
	if !r.quota {
		dropCFS(s)
	}
}

func (v2) pressureFile() fileIndex { return cpuPressure2 }
