package parity

import (
	"path/filepath"
	"testing"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/fs2"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/collector/cgroup"
	"github.com/lubberline/lubberline/collector/reading"
)

const (
	recordedPod       = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0d1c2b3a_1111_2222_3333_444455556666.slice"
	recordedContainer = recordedPod + "/cri-containerd-4f2a9c1d4f2a9c1d4f2a9c1d4f2a9c1d4f2a9c1d4f2a9c1d4f2a9c1d4f2a9c1d.scope"
)

// TestRecordedV2TreeIsReadAsRuncReadsIt compares us, on the recorded cgroup v2
// tree, with the library that runc and cAdvisor read v2 with.
func TestRecordedV2TreeIsReadAsRuncReadsIt(t *testing.T) {
	root, err := filepath.Abs("../cgroup/testdata/v2")
	require.NoError(t, err)
	cgroups.TestMode = true // its reader takes files that are not on a cgroup filesystem
	t.Cleanup(func() { cgroups.TestMode = false })
	system, err := cgroup.New(cgroup.Options{Root: root, MountInfo: filepath.Join(root, "mountinfo"), Proc: "../cgroup/testdata/proc", Sys: "../cgroup/testdata/sys"})
	require.NoError(t, err)
	for _, id := range []string{recordedPod, recordedContainer} {
		var ours reading.Sample
		reader, err := system.Open(id)
		require.NoError(t, err)
		require.NoError(t, reader.Read(1, &ours))
		manager, err := fs2.NewManager(&cgroups.Cgroup{Resources: &cgroups.Resources{}}, filepath.Join(root, "sys/fs/cgroup", id))
		require.NoError(t, err)
		theirs, err := manager.GetStats()
		require.NoError(t, err)
		checkScalars(t, &ours, theirs)
		checkDevices(t, &ours, theirs)
		reader.Close()
	}
}

func checkScalars(t *testing.T, ours *reading.Sample, theirs *cgroups.Stats) {
	t.Helper()
	memory := theirs.MemoryStats
	_, limited := ours.Get(reading.SpecCPUQuota)
	for field, want := range map[reading.Field]uint64{
		reading.CPUUsage:              theirs.CpuStats.CpuUsage.TotalUsage,
		reading.CPUUser:               theirs.CpuStats.CpuUsage.UsageInUsermode,
		reading.CPUSystem:             theirs.CpuStats.CpuUsage.UsageInKernelmode,
		reading.CFSPeriods:            theirs.CpuStats.ThrottlingData.Periods,
		reading.CFSThrottledPeriods:   theirs.CpuStats.ThrottlingData.ThrottledPeriods,
		reading.CFSThrottledTime:      theirs.CpuStats.ThrottlingData.ThrottledTime,
		reading.MemoryUsage:           memory.Usage.Usage,
		reading.MemoryMaxUsage:        memory.Usage.MaxUsage,
		reading.MemoryWorkingSet:      memory.Usage.Usage - memory.Stats["inactive_file"],
		reading.MemoryRSS:             memory.Stats["anon"],
		reading.MemoryCache:           memory.Stats["file"],
		reading.MemoryMappedFile:      memory.Stats["file_mapped"],
		reading.MemoryFaultsTree:      memory.Stats["pgfault"],
		reading.MemoryMajorFaultsTree: memory.Stats["pgmajfault"],
		reading.Threads:               theirs.PidsStats.Current,
		reading.ThreadsMax:            theirs.PidsStats.Limit,
		reading.PressureCPUWaiting:    theirs.CpuStats.PSI.Some.Total * 1000,
		reading.PressureMemoryStalled: memory.PSI.Full.Total * 1000,
		reading.PressureIOWaiting:     theirs.BlkioStats.PSI.Some.Total * 1000,
	} {
		got, known := ours.Get(field)
		if !known && (want == 0 || throttling(field) && !limited) {
			continue // unknown here is zero there; without a quota nothing is throttled
		}
		require.True(t, known, "field %d is unknown, theirs %d", field, want)
		require.Equal(t, want, got, "field %d", field)
	}
}

func throttling(f reading.Field) bool {
	return f == reading.CFSPeriods || f == reading.CFSThrottledPeriods || f == reading.CFSThrottledTime
}

func checkDevices(t *testing.T, ours *reading.Sample, theirs *cgroups.Stats) {
	t.Helper()
	var read, written uint64
	for _, d := range ours.Devices {
		read, written = read+d.ReadBytes, written+d.WriteBytes
	}
	sums := map[string]uint64{}
	for _, e := range theirs.BlkioStats.IoServiceBytesRecursive {
		sums[e.Op] += e.Value
	}
	require.NotZero(t, read+written)
	require.Equal(t, []uint64{sums["Read"], sums["Write"]}, []uint64{read, written})
}
