// Package reading is what one sample of one container consists of: the
// vocabulary between those who read cgroups and those who publish the figures.
// It knows no files and no formats.
package reading

import "math/bits"

// Field names one scalar of a container's sample.
type Field uint8

// The scalars. Units: nanoseconds for times, bytes for sizes, unless said.
const (
	CPUUsage Field = iota
	CPUUser
	CPUSystem
	CFSPeriods
	CFSThrottledPeriods
	CFSThrottledTime
	CFSBurstPeriods
	CFSBurstTime

	MemoryUsage
	MemoryWorkingSet
	MemoryRSS
	MemoryCache
	MemorySwap
	MemoryMappedFile
	MemoryMaxUsage
	MemoryKernel
	MemoryActiveFile
	MemoryInactiveFile
	MemoryDirty
	MemoryWriteback
	MemoryFailcnt
	MemoryFaults      // page faults of the cgroup alone
	MemoryMajorFaults // those that needed I/O
	MemoryFaultsTree  // page faults, cgroups below included
	MemoryMajorFaultsTree
	OOMKills

	Processes
	Threads
	ThreadsMax

	PressureCPUWaiting
	PressureCPUStalled
	PressureMemoryWaiting
	PressureMemoryStalled
	PressureIOWaiting
	PressureIOStalled

	SpecCPUShares // cgroup v1 scale; v2 weights are converted
	SpecCPUQuota  // microseconds a period
	SpecCPUPeriod // microseconds
	SpecMemoryLimit
	SpecMemoryReservation
	SpecMemorySwapLimit

	FilesystemLogs

	NumFields
)

// Set holds scalars, each known or unknown. The zero Set knows nothing.
type Set struct {
	values [NumFields]uint64
	known  uint64 // bit i: Field i is known; NumFields must stay <= 64
}

var _ [64 - NumFields]struct{} // Set.known must have a bit for every Field

// Put records a value.
func (s *Set) Put(f Field, v uint64) {
	s.values[f] = v
	s.known |= 1 << f
}

// Get returns a value and whether it is known.
func (s *Set) Get(f Field) (uint64, bool) {
	return s.values[f], s.known&(1<<f) != 0
}

// Drop makes a value unknown.
func (s *Set) Drop(f Field) { s.known &^= 1 << f }

// Reset makes every value unknown.
func (s *Set) Reset() { s.known = 0 }

// Len is the number of known values.
func (s *Set) Len() int { return bits.OnesCount64(s.known) }

// DeviceIO is the block I/O of one container on one device since its start.
type DeviceIO struct {
	Device                string // "/dev/vda", or "8:0" where the name is not known
	ReadBytes, WriteBytes uint64
	Reads, Writes         uint64
}

// NetIO is the traffic of one interface, as seen from inside the container.
type NetIO struct {
	Interface                               string
	RxBytes, RxPackets, RxErrors, RxDropped uint64
	TxBytes, TxPackets, TxErrors, TxDropped uint64
}

// Filesystem is the writable layer of a container and the filesystem it is on.
type Filesystem struct {
	Device             string
	Usage              uint64 // bytes of the writable layer
	Limit, Available   uint64 // bytes of the filesystem
	Inodes, InodesFree uint64
}

// Sample is one reading of one container. A reader fills the same Sample again
// and again, so that steady state allocates nothing.
type Sample struct {
	// Time is the point of the sampling grid for which the counters were read,
	// in nanoseconds since the epoch: a multiple of the interval, at most a few
	// milliseconds before the reading.
	Time int64
	Set
	Devices    []DeviceIO
	Interfaces []NetIO
	// Filesystems is refreshed more seldom than the rest (it walks directories).
	Filesystems []Filesystem
}

// Reset empties the sample and keeps its memory.
func (s *Sample) Reset() {
	s.Time = 0
	s.Set.Reset()
	s.Devices = s.Devices[:0]
	s.Interfaces = s.Interfaces[:0]
	s.Filesystems = s.Filesystems[:0]
}
