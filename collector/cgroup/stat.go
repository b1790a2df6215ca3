package cgroup

import (
	"bytes"

	"github.com/lubberline/lubberline/collector/reading"
)

// tick is the length of cpuacct.stat's unit in nanoseconds: USER_HZ is 100 on
// every architecture that Linux gives us.
const tick = 10_000_000

// parseCPUAcctStat reads v1's cpuacct.stat.
func parseCPUAcctStat(b []byte, s *reading.Set) {
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		key, v, ok := keyValue(line)
		if !ok {
			continue
		}
		switch string(key) {
		case "user":
			s.Put(reading.CPUUser, v*tick)
		case "system":
			s.Put(reading.CPUSystem, v*tick)
		}
	}
}

// parseCFS reads v1's cpu.stat, which counts in nanoseconds.
func parseCFS(b []byte, s *reading.Set) {
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		key, v, ok := keyValue(line)
		if !ok {
			continue
		}
		switch string(key) {
		case "nr_periods":
			s.Put(reading.CFSPeriods, v)
		case "nr_throttled":
			s.Put(reading.CFSThrottledPeriods, v)
		case "throttled_time":
			s.Put(reading.CFSThrottledTime, v)
		case "nr_bursts":
			s.Put(reading.CFSBurstPeriods, v)
		case "burst_time":
			s.Put(reading.CFSBurstTime, v)
		}
	}
}

// parseCPUStat reads v2's cpu.stat, which counts in microseconds. The figures
// of the quota are taken only when quota says that there is one.
func parseCPUStat(b []byte, s *reading.Set, quota bool) {
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		key, v, ok := keyValue(line)
		if !ok {
			continue
		}
		switch string(key) {
		case "usage_usec":
			s.Put(reading.CPUUsage, v*1000)
		case "user_usec":
			s.Put(reading.CPUUser, v*1000)
		case "system_usec":
			s.Put(reading.CPUSystem, v*1000)
		}
		if quota {
			putCFS2(key, v, s)
		}
	}
}

func putCFS2(key []byte, v uint64, s *reading.Set) {
	switch string(key) {
	case "nr_periods":
		s.Put(reading.CFSPeriods, v)
	case "nr_throttled":
		s.Put(reading.CFSThrottledPeriods, v)
	case "throttled_usec":
		s.Put(reading.CFSThrottledTime, v*1000)
	case "nr_bursts":
		s.Put(reading.CFSBurstPeriods, v)
	case "burst_usec":
		s.Put(reading.CFSBurstTime, v*1000)
	}
}

// parseMemoryStat1 reads v1's memory.stat. The total_ lines hold the cgroups
// below as well where the hierarchy is in use, and repeat the others where not:
// either way they are what memory.usage_in_bytes counts.
func parseMemoryStat1(b []byte, s *reading.Set) {
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		key, v, ok := keyValue(line)
		if !ok {
			continue
		}
		if bytes.HasPrefix(key, totalPrefix) {
			putMemoryTotal1(key[len(totalPrefix):], v, s)
			continue
		}
		switch string(key) {
		case "pgfault":
			s.Put(reading.MemoryFaults, v)
		case "pgmajfault":
			s.Put(reading.MemoryMajorFaults, v)
		}
	}
}

var totalPrefix = []byte("total_")

func putMemoryTotal1(key []byte, v uint64, s *reading.Set) {
	switch string(key) {
	case "cache":
		s.Put(reading.MemoryCache, v)
	case "rss":
		s.Put(reading.MemoryRSS, v)
	case "swap":
		s.Put(reading.MemorySwap, v)
	case "mapped_file":
		s.Put(reading.MemoryMappedFile, v)
	case "active_file":
		s.Put(reading.MemoryActiveFile, v)
	case "inactive_file":
		s.Put(reading.MemoryInactiveFile, v)
	case "dirty":
		s.Put(reading.MemoryDirty, v)
	case "writeback":
		s.Put(reading.MemoryWriteback, v)
	case "pgfault":
		s.Put(reading.MemoryFaultsTree, v)
	case "pgmajfault":
		s.Put(reading.MemoryMajorFaultsTree, v)
	}
}

// parseMemoryStat2 reads v2's memory.stat, which always includes the cgroups
// below; leaf says that there are none, so that the page faults are the
// cgroup's own as well.
func parseMemoryStat2(b []byte, s *reading.Set, leaf bool) {
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		key, v, ok := keyValue(line)
		if !ok {
			continue
		}
		putMemory2(key, v, s, leaf)
	}
}

func putMemory2(key []byte, v uint64, s *reading.Set, leaf bool) {
	switch string(key) {
	case "anon":
		s.Put(reading.MemoryRSS, v)
	case "file":
		s.Put(reading.MemoryCache, v)
	case "kernel":
		s.Put(reading.MemoryKernel, v)
	case "file_mapped":
		s.Put(reading.MemoryMappedFile, v)
	case "file_dirty":
		s.Put(reading.MemoryDirty, v)
	case "file_writeback":
		s.Put(reading.MemoryWriteback, v)
	case "active_file":
		s.Put(reading.MemoryActiveFile, v)
	case "inactive_file":
		s.Put(reading.MemoryInactiveFile, v)
	case "pgfault":
		s.Put(reading.MemoryFaultsTree, v)
		putIf(leaf, s, reading.MemoryFaults, v)
	case "pgmajfault":
		s.Put(reading.MemoryMajorFaultsTree, v)
		putIf(leaf, s, reading.MemoryMajorFaults, v)
	}
}

func putIf(known bool, s *reading.Set, f reading.Field, v uint64) {
	if known {
		s.Put(f, v)
	} else {
		s.Drop(f)
	}
}

// parseMemoryEvents reads v2's memory.events: how often the limit was hit, and
// the processes killed for it, in the cgroups below as well.
func parseMemoryEvents(b []byte, s *reading.Set) {
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		key, v, ok := keyValue(line)
		if !ok {
			continue
		}
		switch string(key) {
		case "max":
			s.Put(reading.MemoryFailcnt, v)
		case "oom_kill":
			s.Put(reading.OOMKills, v)
		}
	}
}

// parseOOMControl reads v1's memory.oom_control.
func parseOOMControl(b []byte, s *reading.Set) {
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		if key, v, ok := keyValue(line); ok && string(key) == "oom_kill" {
			s.Put(reading.OOMKills, v)
		}
	}
}

// parsePressure reads a PSI file: "some avg10=0.00 avg60=0.00 avg300=0.00
// total=123" in microseconds, and the same for "full".
func parsePressure(b []byte, s *reading.Set, some, full reading.Field) {
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		i := bytes.LastIndexByte(line, '=')
		if i < 0 {
			continue
		}
		v, ok := parseScalar(line[i+1:])
		switch {
		case !ok:
		case bytes.HasPrefix(line, someWord):
			s.Put(some, v*1000)
		case bytes.HasPrefix(line, fullWord):
			s.Put(full, v*1000)
		}
	}
}

var someWord, fullWord = []byte("some "), []byte("full ")

// parseCPUMax reads v2's cpu.max, "max 100000" or "50000 100000".
func parseCPUMax(b []byte) (quota, period uint64, limited, ok bool) {
	line, _ := nextLine(b)
	first, rest := nextWord(line)
	period, ok = parseScalar(rest)
	quota, limited = parseScalar(first)
	return quota, period, limited, ok && (limited || string(first) == "max")
}

// sharesOfWeight converts a v2 weight, 1 to 10,000, to v1's scale, 2 to
// 262,144, by the inverse of the straight line that runtimes use to make it.
func sharesOfWeight(weight uint64) (uint64, bool) {
	if weight < 1 || weight > 10000 {
		return 0, false
	}
	return 2 + (weight-1)*262142/9999, true
}
