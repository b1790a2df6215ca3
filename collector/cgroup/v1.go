package cgroup

import (
	"path/filepath"

	"github.com/lubberline/lubberline/collector/reading"
)

// The files of a v1 cgroup.
const (
	cpuacctUsage fileIndex = iota
	cpuacctStat
	cfsStat
	memoryUsage
	memoryStat1
	memoryMax
	memoryFailcnt
	memoryKernel
	memoryOOM
	pidsCurrent1
	ioBytes
	ioServiced
	procs1
	cpuShares
	cpuQuota
	cpuPeriod
	memoryLimit
	memorySwapLimit
	memorySoftLimit
	pidsMax1
	cpuPressure1
	memoryPressure1
	ioPressure1
	numFilesV1
)

// placesV1 say where the files are. Where name is missing, other is taken.
var placesV1 = [numFilesV1]struct {
	controller, name, other string
	seldom                  bool
}{
	cpuacctUsage:    {"cpuacct", "cpuacct.usage", "", false},
	cpuacctStat:     {"cpuacct", "cpuacct.stat", "", false},
	cfsStat:         {"cpu", "cpu.stat", "", false},
	memoryUsage:     {"memory", "memory.usage_in_bytes", "", false},
	memoryStat1:     {"memory", "memory.stat", "", false},
	memoryMax:       {"memory", "memory.max_usage_in_bytes", "", false},
	memoryFailcnt:   {"memory", "memory.failcnt", "", false},
	memoryKernel:    {"memory", "memory.kmem.usage_in_bytes", "", false},
	memoryOOM:       {"memory", "memory.oom_control", "", false},
	pidsCurrent1:    {"pids", "pids.current", "", false},
	ioBytes:         {"blkio", "blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes", false},
	ioServiced:      {"blkio", "blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced", false},
	procs1:          {"cpu", "cgroup.procs", "", true},
	cpuShares:       {"cpu", "cpu.shares", "", true},
	cpuQuota:        {"cpu", "cpu.cfs_quota_us", "", true},
	cpuPeriod:       {"cpu", "cpu.cfs_period_us", "", true},
	memoryLimit:     {"memory", "memory.limit_in_bytes", "", true},
	memorySwapLimit: {"memory", "memory.memsw.limit_in_bytes", "", true},
	memorySoftLimit: {"memory", "memory.soft_limit_in_bytes", "", true},
	pidsMax1:        {"pids", "pids.max", "", true},
	cpuPressure1:    {"", "cpu.pressure", "", false},
	memoryPressure1: {"", "memory.pressure", "", false},
	ioPressure1:     {"", "io.pressure", "", false},
}

// filesV1 are the files of a cgroup. Pressure comes from the unified hierarchy
// beside v1, where the cgroup has the same path if it is there at all.
func filesV1(h Hierarchies, id string) []file {
	files := make([]file, numFilesV1)
	for i, p := range placesV1 {
		dir := h.V1[p.controller]
		if p.controller == "" {
			dir = h.V2
		}
		files[i] = file{fd: missing, seldom: p.seldom}
		if dir == "" {
			continue
		}
		files[i].path = filepath.Join(dir, id, p.name)
		if p.other != "" && !exists(files[i].path) {
			files[i].path = filepath.Join(dir, id, p.other)
		}
	}
	return files
}

// v1 is the layout of cgroup v1.
type v1 struct{}

func (v1) counters(r *Reader, s *reading.Sample, now int64) {
	cpu, ok1 := r.scalar(cpuacctUsage, &s.Set, reading.CPUUsage)
	memory, ok2 := r.scalar(memoryUsage, &s.Set, reading.MemoryUsage)
	r.scalar(pidsCurrent1, &s.Set, reading.Threads)
	if r.quota {
		r.cfs(&s.Set)
	}
	if !(ok1 && ok2 && r.quiet.skip(cpu, memory, now)) {
		r.cpuSplit(&s.Set)
		r.memory1(&s.Set)
		r.io1(s)
	}
	workingSet(&s.Set)
	r.pressures(&s.Set, cpuPressure1, memoryPressure1, ioPressure1)
}

// pressures reads the three PSI files.
func (r *Reader) pressures(s *reading.Set, cpu, memory, io fileIndex) {
	r.pressure(cpu, s, reading.PressureCPUWaiting, reading.PressureCPUStalled)
	r.pressure(memory, s, reading.PressureMemoryWaiting, reading.PressureMemoryStalled)
	r.pressure(io, s, reading.PressureIOWaiting, reading.PressureIOStalled)
}

func (r *Reader) cfs(s *reading.Set) {
	if b, ok := r.content(cfsStat); ok {
		parseCFS(b, s)
	}
}

func (r *Reader) cpuSplit(s *reading.Set) {
	drop(s, reading.CPUUser, reading.CPUSystem)
	if b, ok := r.content(cpuacctStat); ok {
		parseCPUAcctStat(b, s)
	}
}

func (r *Reader) memory1(s *reading.Set) {
	drop(s, reading.MemoryRSS, reading.MemoryCache, reading.MemorySwap, reading.MemoryMappedFile,
		reading.MemoryActiveFile, reading.MemoryInactiveFile, reading.MemoryDirty, reading.MemoryWriteback,
		reading.MemoryFaults, reading.MemoryMajorFaults, reading.MemoryFaultsTree, reading.MemoryMajorFaultsTree)
	if b, ok := r.content(memoryStat1); ok {
		parseMemoryStat1(b, s)
	}
}

func (r *Reader) io1(s *reading.Sample) {
	if b, ok := r.content(ioBytes); ok {
		r.io.parseThrottle(b, false)
	}
	if b, ok := r.content(ioServiced); ok {
		r.io.parseThrottle(b, true)
	}
	s.Devices = r.io.publish(s.Devices)
}

func (v1) extras(r *Reader, s *reading.Set) {
	r.scalar(memoryMax, s, reading.MemoryMaxUsage)
	r.scalar(memoryFailcnt, s, reading.MemoryFailcnt)
	r.scalar(memoryKernel, s, reading.MemoryKernel)
	s.Drop(reading.OOMKills)
	if b, ok := r.content(memoryOOM); ok {
		parseOOMControl(b, s)
	}
	r.processes(procs1, s)
}

func (v1) spec(r *Reader, s *reading.Set) {
	r.scalar(cpuShares, s, reading.SpecCPUShares)
	r.scalar(cpuPeriod, s, reading.SpecCPUPeriod)
	_, r.quota = r.scalar(cpuQuota, s, reading.SpecCPUQuota)
	if !r.quota {
		dropCFS(s)
	}
	r.limit(memoryLimit, s, reading.SpecMemoryLimit)
	r.limit(memorySwapLimit, s, reading.SpecMemorySwapLimit)
	r.limit(memorySoftLimit, s, reading.SpecMemoryReservation)
	r.limit(pidsMax1, s, reading.ThreadsMax)
}

func dropCFS(s *reading.Set) {
	drop(s, reading.CFSPeriods, reading.CFSThrottledPeriods, reading.CFSThrottledTime,
		reading.CFSBurstPeriods, reading.CFSBurstTime)
}

func (v1) pressureFile() fileIndex { return cpuPressure1 }
