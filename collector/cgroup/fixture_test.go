package cgroup

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lubberline/lubberline/collector/reading"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// id is the container of the fixtures.
var id = strings.Repeat("4f2a9c1d", 8)

// fixture is the system of a recorded machine: its files are below
// testdata/<name>.
func fixture(t *testing.T, name string) *System {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("testdata", name))
	require.NoError(t, err)
	return newSystem(t, Options{Root: root, MountInfo: filepath.Join(root, "mountinfo"), Proc: "testdata/proc", Sys: "testdata/sys"})
}

func newSystem(t *testing.T, o Options) *System {
	t.Helper()
	s, err := New(o)
	require.NoError(t, err)
	return s
}

// read takes one sample.
func read(t *testing.T, s *System, id string) *reading.Sample {
	t.Helper()
	r, err := s.Open(id)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	var sample reading.Sample
	require.NoError(t, r.Read(1e18, &sample))
	require.EqualValues(t, 1e18, sample.Time)
	return &sample
}

type values map[reading.Field]uint64

// known is all that a sample says.
func known(s *reading.Sample) values {
	all := values{}
	for f := range reading.NumFields {
		if v, ok := s.Get(f); ok {
			all[f] = v
		}
	}
	return all
}

func with(base, more values) values {
	all := maps.Clone(base)
	maps.Copy(all, more)
	return all
}

// recorded is what the v1 files of the container say.
var recorded = values{
	reading.CPUUsage: 1245996758, reading.CPUUser: 1040000000, reading.CPUSystem: 190000000,
	reading.CFSPeriods: 27, reading.CFSThrottledPeriods: 23, reading.CFSThrottledTime: 987153613,
	reading.CFSBurstPeriods: 0, reading.CFSBurstTime: 0,
	reading.MemoryUsage: 22048768, reading.MemoryWorkingSet: 22048768 - 20971520,
	reading.MemoryRSS: 299008, reading.MemoryCache: 20971520, reading.MemorySwap: 0, reading.MemoryMappedFile: 0,
	reading.MemoryMaxUsage: 23248896, reading.MemoryKernel: 765952, reading.MemoryActiveFile: 0,
	reading.MemoryInactiveFile: 20971520, reading.MemoryDirty: 20971520, reading.MemoryWriteback: 0,
	reading.MemoryFailcnt: 0, reading.MemoryFaults: 1000, reading.MemoryMajorFaults: 0,
	reading.MemoryFaultsTree: 1000, reading.MemoryMajorFaultsTree: 0, reading.OOMKills: 0,
	reading.Processes: 3, reading.Threads: 3, reading.ThreadsMax: 100,
	reading.SpecCPUShares: 512, reading.SpecCPUQuota: 50000, reading.SpecCPUPeriod: 100000,
	reading.SpecMemoryLimit: 256 << 20, reading.SpecMemoryReservation: 128 << 20, // no limit of swap
}

var recordedDevices = []reading.DeviceIO{
	{Device: "/dev/vda", ReadBytes: 6553600, WriteBytes: 6553600, Reads: 100, Writes: 100},
}

func TestReadV1(t *testing.T) {
	s := fixture(t, "v1")
	require.Equal(t, "v1", s.Hierarchies().Mode())
	sample := read(t, s, "/docker/"+id)
	require.Equal(t, recorded, known(sample))
	require.Equal(t, recordedDevices, sample.Devices)
}

func TestReadHybridInSystemdLayout(t *testing.T) {
	s := fixture(t, "hybrid")
	require.Equal(t, "hybrid", s.Hierarchies().Mode())
	sample := read(t, s, "/system.slice/docker-"+id+".scope")
	require.Equal(t, with(recorded, values{
		reading.PressureCPUWaiting:    12345000, // this kernel has no "full" for CPU
		reading.PressureMemoryWaiting: 7000, reading.PressureMemoryStalled: 3000,
		reading.PressureIOWaiting: 99000, reading.PressureIOStalled: 88000,
	}), known(sample))
	require.Equal(t, recordedDevices, sample.Devices, "from the files that are not recursive")
}

const pod = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0d1c2b3a_1111_2222_3333_444455556666.slice"

// counted is what the v2 files of the pod and its container say alike.
var counted = values{
	reading.CPUUsage: 1355273000, reading.CPUUser: 1130001000, reading.CPUSystem: 225272000,
	reading.MemoryUsage: 26214400, reading.MemoryWorkingSet: 26214400 - 12582912,
	reading.MemoryRSS: 4194304, reading.MemoryCache: 20971520, reading.MemorySwap: 65536,
	reading.MemoryMappedFile: 2301952, reading.MemoryKernel: 1048576, reading.MemoryActiveFile: 8388608,
	reading.MemoryInactiveFile: 12582912, reading.MemoryDirty: 135168, reading.MemoryWriteback: 8192,
	reading.MemoryFailcnt: 13, reading.MemoryFaultsTree: 54321, reading.MemoryMajorFaultsTree: 21, reading.OOMKills: 1,
	reading.Processes: 3, reading.Threads: 5, reading.SpecCPUPeriod: 100000,
	reading.PressureCPUWaiting:    1000000,
	reading.PressureMemoryWaiting: 30000, reading.PressureMemoryStalled: 20000,
	reading.PressureIOWaiting: 400000, reading.PressureIOStalled: 300000,
}

func TestReadV2(t *testing.T) {
	s := fixture(t, "v2")
	require.Equal(t, "v2", s.Hierarchies().Mode())
	sample := read(t, s, pod+"/cri-containerd-"+id+".scope")
	require.Equal(t, with(counted, values{
		reading.CFSPeriods: 29, reading.CFSThrottledPeriods: 26, reading.CFSThrottledTime: 1237412000,
		reading.CFSBurstPeriods: 2, reading.CFSBurstTime: 900000,
		reading.MemoryMaxUsage: 28311552, reading.MemoryFaults: 54321, reading.MemoryMajorFaults: 21,
		reading.ThreadsMax: 100, reading.PressureCPUStalled: 900000,
		reading.SpecCPUShares: 2 + 19*262142/9999, reading.SpecCPUQuota: 50000,
		reading.SpecMemoryLimit: 256 << 20, reading.SpecMemoryReservation: 128 << 20, reading.SpecMemorySwapLimit: 512 << 20,
	}), known(sample))
	require.Equal(t, []reading.DeviceIO{
		{Device: "/dev/vda", ReadBytes: 6553600, WriteBytes: 6557696, Reads: 100, Writes: 101},
		{Device: "9:9", ReadBytes: 1, WriteBytes: 2, Reads: 3, Writes: 4},
	}, sample.Devices)
}

func TestReadV2WithoutLimits(t *testing.T) {
	sample := read(t, fixture(t, "v2"), pod)
	require.Equal(t, with(counted, values{reading.SpecCPUShares: 2 + 99*262142/9999}), known(sample),
		"no limit, no quota, no peak on an old kernel: unknown, not zero; page faults of the pod alone neither")
}

func TestReadV2WithoutControllers(t *testing.T) {
	sample := read(t, fixture(t, "v2"), "/system.slice/sshd.service")
	require.Equal(t, values{reading.CPUUsage: 10000, reading.CPUUser: 7000, reading.CPUSystem: 3000}, known(sample))
	require.Empty(t, sample.Devices)
}

func TestRootV2IsTheMachine(t *testing.T) {
	sample := read(t, fixture(t, "v2"), Root)
	got := known(sample)
	want := values{
		reading.CPUUsage: 822177597000, reading.MemoryUsage: (24684096 - 18874368) << 10,
		reading.MemoryWorkingSet: (24684096-18874368)<<10 - 12582912, reading.MemoryRSS: 154640384,
		reading.SpecMemoryLimit: 24684096 << 10, reading.Threads: 80, reading.ThreadsMax: 192536, reading.Processes: 3,
		reading.PressureCPUWaiting: 5000, reading.PressureMemoryStalled: 4000, reading.PressureIOWaiting: 7000,
	}
	for f, v := range want {
		require.Equal(t, v, got[f], "field %d", f)
	}
	require.NotContains(t, got, reading.MemorySwap)
}

func TestRootV1HasTheMachinesPressure(t *testing.T) {
	got := known(read(t, fixture(t, "v1"), Root))
	require.EqualValues(t, 271644333000, got[reading.PressureCPUWaiting])
	require.EqualValues(t, 410000, got[reading.PressureIOStalled])
	require.EqualValues(t, 24684096<<10, got[reading.SpecMemoryLimit])
	require.Contains(t, got, reading.MemoryUsage)
}

func TestWalkFindsTheUnionOfAllHierarchies(t *testing.T) {
	for name, want := range map[string][]string{
		"v1":     {"/", "/docker", "/docker/" + id},
		"hybrid": {"/", "/system.slice", "/system.slice/docker-" + id + ".scope", "/user.slice"},
		"v2": {"/", "/kubepods.slice", "/kubepods.slice/kubepods-burstable.slice", pod,
			pod + "/cri-containerd-" + id + ".scope", "/system.slice", "/system.slice/sshd.service"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			var got []string
			err := fixture(t, name).Watch(ctx, func(e Event) {
				switch e.Kind {
				case Created:
					got = append(got, e.ID)
					require.False(t, e.Made.IsZero())
					if e.ID == Root {
						require.Equal(t, time.Unix(1763939911, 0), e.Made, "the machine's start")
					}
				case Walked:
					cancel()
				}
			})
			require.ErrorIs(t, err, context.Canceled)
			require.True(t, slices.IsSorted(got), "parents come first")
			require.Equal(t, want, got)
		})
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	_, err := New(Options{MountInfo: "testdata/none"})
	require.ErrorContains(t, err, "read mounts: open testdata/none")
	_, err = New(Options{MountInfo: "testdata/proc/loadavg"})
	require.EqualError(t, err, "testdata/proc/loadavg: no cgroup hierarchy is mounted")
	_, err = fixture(t, "v2").Open("/none")
	require.ErrorIs(t, err, ErrGone)
}
