package parity

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/cadvisor/lib/container"
	"github.com/google/cadvisor/lib/container/common"
	"github.com/google/cadvisor/lib/container/libcontainer"
	info "github.com/google/cadvisor/lib/model"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/collector/bench/lab"
	"github.com/lubberline/lubberline/collector/cgroup"
	"github.com/lubberline/lubberline/collector/network"
	"github.com/lubberline/lubberline/collector/reading"
)

const rounds = 20

// counter is a figure that only grows.
type counter struct {
	name   string
	file   func(t *testing.T) uint64
	ours   func(*reading.Sample) (uint64, bool)
	theirs func(*info.ContainerStats) (uint64, bool)
	// late figures may be ten seconds old: see the network package.
	late bool
}

// gauge is a figure that goes up and down.
type gauge struct {
	name   string
	ours   reading.Field
	theirs func(*info.ContainerStats) uint64
}

func field(f reading.Field) func(*reading.Sample) (uint64, bool) {
	return func(s *reading.Sample) (uint64, bool) { return s.Get(f) }
}

func sure(f func(*info.ContainerStats) uint64) func(*info.ContainerStats) (uint64, bool) {
	return func(s *info.ContainerStats) (uint64, bool) { return f(s), true }
}

// word finds the number after the words in a file: "254:0 Read 4096".
func word(path, words string) func(*testing.T) uint64 {
	return func(t *testing.T) uint64 {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, words); ok {
				v, err := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
				require.NoError(t, err)
				return v
			}
		}
		return 0
	}
}

func times(n uint64, f func(*testing.T) uint64) func(*testing.T) uint64 {
	return func(t *testing.T) uint64 { return n * f(t) }
}

func counters(g *lab.Group) []counter {
	const tick = 10_000_000
	stat := g.Path("memory", "memory.stat")
	cfs := g.Path("cpu", "cpu.stat")
	return []counter{
		{name: "cpu", file: word(g.Path("cpuacct", "cpuacct.usage"), ""), ours: field(reading.CPUUsage),
			theirs: sure(func(s *info.ContainerStats) uint64 { return s.Cpu.Usage.Total })},
		{name: "cpu user", file: times(tick, word(g.Path("cpuacct", "cpuacct.stat"), "user ")), ours: field(reading.CPUUser),
			theirs: sure(func(s *info.ContainerStats) uint64 { return s.Cpu.Usage.User })},
		{name: "cpu system", file: times(tick, word(g.Path("cpuacct", "cpuacct.stat"), "system ")), ours: field(reading.CPUSystem),
			theirs: sure(func(s *info.ContainerStats) uint64 { return s.Cpu.Usage.System })},
		{name: "periods", file: word(cfs, "nr_periods "), ours: field(reading.CFSPeriods),
			theirs: sure(func(s *info.ContainerStats) uint64 { return s.Cpu.CFS.Periods })},
		{name: "throttled", file: word(cfs, "nr_throttled "), ours: field(reading.CFSThrottledPeriods),
			theirs: sure(func(s *info.ContainerStats) uint64 { return s.Cpu.CFS.ThrottledPeriods })},
		{name: "throttled time", file: word(cfs, "throttled_time "), ours: field(reading.CFSThrottledTime),
			theirs: sure(func(s *info.ContainerStats) uint64 { return s.Cpu.CFS.ThrottledTime })},
		{name: "page faults", file: word(stat, "pgfault "), ours: field(reading.MemoryFaults),
			theirs: sure(func(s *info.ContainerStats) uint64 { return s.Memory.ContainerData.Pgfault })},
		{name: "major page faults", file: word(stat, "pgmajfault "), ours: field(reading.MemoryMajorFaults),
			theirs: sure(func(s *info.ContainerStats) uint64 { return s.Memory.ContainerData.Pgmajfault })},
		{name: "fail count", file: word(g.Path("memory", "memory.failcnt"), ""), ours: field(reading.MemoryFailcnt),
			theirs: sure(func(s *info.ContainerStats) uint64 { return s.Memory.Failcnt })},
	}
}

func ioCounters(g *lab.Group, disk string) (all []counter) {
	bytes, ops := g.Path("blkio", "blkio.throttle.io_service_bytes_recursive"), g.Path("blkio", "blkio.throttle.io_serviced_recursive")
	one := func(name, file, op string, ours func(reading.DeviceIO) uint64, theirs func(*info.ContainerStats) []info.PerDiskStats) {
		all = append(all, counter{name: name, file: word(file, disk+" "+op+" "),
			ours: func(s *reading.Sample) (uint64, bool) {
				if len(s.Devices) != 1 {
					return 0, false
				}
				return ours(s.Devices[0]), true
			},
			theirs: func(s *info.ContainerStats) (uint64, bool) {
				for _, d := range theirs(s) {
					if fmt.Sprintf("%d:%d", d.Major, d.Minor) == disk {
						return d.Stats[op], true
					}
				}
				return 0, false
			}})
	}
	serviceBytes := func(s *info.ContainerStats) []info.PerDiskStats { return s.DiskIo.IoServiceBytes }
	serviced := func(s *info.ContainerStats) []info.PerDiskStats { return s.DiskIo.IoServiced }
	one("bytes read", bytes, "Read", func(d reading.DeviceIO) uint64 { return d.ReadBytes }, serviceBytes)
	one("bytes written", bytes, "Write", func(d reading.DeviceIO) uint64 { return d.WriteBytes }, serviceBytes)
	one("reads", ops, "Read", func(d reading.DeviceIO) uint64 { return d.Reads }, serviced)
	one("writes", ops, "Write", func(d reading.DeviceIO) uint64 { return d.Writes }, serviced)
	return all
}

// column finds a figure of an interface in a process's net/dev.
func column(pid, i int) func(*testing.T) uint64 {
	return func(t *testing.T) uint64 {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", pid))
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			name, figures, ok := strings.Cut(strings.TrimSpace(line), ":")
			if ok && strings.HasPrefix(name, "lbp") {
				v, err := strconv.ParseUint(strings.Fields(figures)[i], 10, 64)
				require.NoError(t, err)
				return v
			}
		}
		return 0
	}
}

func netCounters(pid int) (all []counter) {
	one := func(name string, i int, ours func(reading.NetIO) uint64, theirs func(info.InterfaceStats) uint64) {
		all = append(all, counter{name: name, file: column(pid, i), late: strings.Contains(name, "errors") || strings.Contains(name, "drops"),
			ours: func(s *reading.Sample) (uint64, bool) {
				if len(s.Interfaces) != 1 {
					return 0, false
				}
				return ours(s.Interfaces[0]), true
			},
			theirs: func(s *info.ContainerStats) (uint64, bool) {
				if len(s.Network.Interfaces) != 1 {
					return 0, false
				}
				return theirs(s.Network.Interfaces[0]), true
			}})
	}
	one("bytes received", 0, func(n reading.NetIO) uint64 { return n.RxBytes }, func(i info.InterfaceStats) uint64 { return i.RxBytes })
	one("packets received", 1, func(n reading.NetIO) uint64 { return n.RxPackets }, func(i info.InterfaceStats) uint64 { return i.RxPackets })
	one("receive errors", 2, func(n reading.NetIO) uint64 { return n.RxErrors }, func(i info.InterfaceStats) uint64 { return i.RxErrors })
	one("receive drops", 3, func(n reading.NetIO) uint64 { return n.RxDropped }, func(i info.InterfaceStats) uint64 { return i.RxDropped })
	one("bytes sent", 8, func(n reading.NetIO) uint64 { return n.TxBytes }, func(i info.InterfaceStats) uint64 { return i.TxBytes })
	one("packets sent", 9, func(n reading.NetIO) uint64 { return n.TxPackets }, func(i info.InterfaceStats) uint64 { return i.TxPackets })
	one("send errors", 10, func(n reading.NetIO) uint64 { return n.TxErrors }, func(i info.InterfaceStats) uint64 { return i.TxErrors })
	one("send drops", 11, func(n reading.NetIO) uint64 { return n.TxDropped }, func(i info.InterfaceStats) uint64 { return i.TxDropped })
	return all
}

var gauges = []gauge{
	{"usage", reading.MemoryUsage, func(s *info.ContainerStats) uint64 { return s.Memory.Usage }},
	{"working set", reading.MemoryWorkingSet, func(s *info.ContainerStats) uint64 { return s.Memory.WorkingSet }},
	{"rss", reading.MemoryRSS, func(s *info.ContainerStats) uint64 { return s.Memory.RSS }},
	{"cache", reading.MemoryCache, func(s *info.ContainerStats) uint64 { return s.Memory.Cache }},
	{"swap", reading.MemorySwap, func(s *info.ContainerStats) uint64 { return s.Memory.Swap }},
	{"mapped file", reading.MemoryMappedFile, func(s *info.ContainerStats) uint64 { return s.Memory.MappedFile }},
	{"max usage", reading.MemoryMaxUsage, func(s *info.ContainerStats) uint64 { return s.Memory.MaxUsage }},
	{"kernel", reading.MemoryKernel, func(s *info.ContainerStats) uint64 { return s.Memory.KernelUsage }},
	{"active file", reading.MemoryActiveFile, func(s *info.ContainerStats) uint64 { return s.Memory.TotalActiveFile }},
	{"inactive file", reading.MemoryInactiveFile, func(s *info.ContainerStats) uint64 { return s.Memory.TotalInactiveFile }},
	{"threads", reading.Threads, func(s *info.ContainerStats) uint64 { return s.Processes.ThreadsCurrent }},
	{"threads max", reading.ThreadsMax, func(s *info.ContainerStats) uint64 { return s.Processes.ThreadsMax }},
}

// subject is one cgroup under load, with both readers.
type subject struct {
	group    *lab.Group
	reader   *cgroup.Reader
	network  *network.Network
	theirs   *libcontainer.Handler
	counters []counter
	now      int64
	sample   reading.Sample
}

func newSubject(t *testing.T, s *cgroup.System, g *lab.Group, n *network.Network, pid int) *subject {
	t.Helper()
	r, err := s.Open(g.ID)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	metrics := container.MetricSet{container.CpuUsageMetrics: {}, container.MemoryUsageMetrics: {}, container.DiskIOMetrics: {},
		container.NetworkUsageMetrics: {}, container.ProcessMetrics: {}}
	hierarchies, err := libcontainer.GetCgroupSubsystems(metrics)
	require.NoError(t, err)
	manager, err := libcontainer.NewCgroupManager(g.ID, common.MakeCgroupPaths(hierarchies, g.ID))
	require.NoError(t, err)
	return &subject{group: g, reader: r, network: n, theirs: libcontainer.NewHandler(manager, "/", pid, metrics),
		counters: counters(g), now: time.Now().UnixNano()}
}

// read takes our sample; slow files too, as if their time had come.
func (s *subject) read(t *testing.T) {
	t.Helper()
	s.now += int64(time.Minute)
	require.NoError(t, s.network.Refresh())
	require.NoError(t, s.reader.Read(s.now, &s.sample))
	s.sample.Interfaces = s.network.Read(s.group.ID, s.sample.Interfaces[:0])
}

// check compares once. It returns the counters of the file, to see them move.
func (s *subject) check(t *testing.T) (after []uint64) {
	t.Helper()
	before := make([]uint64, len(s.counters))
	for i, c := range s.counters {
		before[i] = c.file(t)
	}
	s.read(t)
	theirs, err := s.theirs.GetStats()
	require.NoError(t, err)
	for i, c := range s.counters {
		after = append(after, c.file(t))
		ours, ok := c.ours(&s.sample)
		if !ok && after[i] == 0 || c.late {
			continue // unknown, and nothing to know
		}
		require.True(t, ok, "%s: %s is unknown", s.group.ID, c.name)
		between(t, "ours: "+c.name, before[i], ours, after[i])
		if v, ok := c.theirs(theirs); ok {
			between(t, "cAdvisor's: "+c.name, before[i], v, after[i])
		}
	}
	return after
}

func between(t *testing.T, what string, low, v, high uint64) {
	t.Helper()
	require.True(t, low <= v && v <= high, "%s is %d, the file went from %d to %d", what, v, low, high)
}

// checkGauges reads both until each gauge was once within one per cent, or two
// pages: what moves between the two readings is equal at some time, what means
// something else is not.
func (s *subject) checkGauges(t *testing.T) {
	t.Helper()
	wrong := slices.Clone(gauges)
	for range 100 {
		s.read(t)
		theirs, err := s.theirs.GetStats()
		require.NoError(t, err)
		wrong = slices.DeleteFunc(wrong, func(g gauge) bool {
			v, _ := s.sample.Get(g.ours)
			other := g.theirs(theirs)
			slack := 0.01 * float64(max(v, other))
			if g.ours != reading.Threads && g.ours != reading.ThreadsMax {
				slack = max(slack, 8192)
			}
			return math.Abs(float64(v)-float64(other)) <= slack
		})
	}
	for _, g := range wrong {
		v, ok := s.sample.Get(g.ours)
		require.Fail(t, "never equal", "%s: %s: ours %d (%v)", s.group.ID, g.name, v, ok)
	}
}

// checkLate waits for the late counters to be the file's.
func (s *subject) checkLate(t *testing.T) {
	t.Helper()
	for _, c := range s.counters {
		if c.late {
			require.Eventually(t, func() bool {
				s.read(t)
				v, ok := c.ours(&s.sample)
				return ok && v == c.file(t)
			}, 15*time.Second, 50*time.Millisecond, "%s: %s", s.group.ID, c.name)
		}
	}
}

func TestFiguresAreCAdvisorsAndTheKernels(t *testing.T) {
	if os.Getenv("LUBBERLINE_REAL") == "" {
		t.Skip("set LUBBERLINE_REAL=1 to compare with cAdvisor on real cgroups")
	}
	require.Zero(t, os.Getuid(), "this test needs root")
	system, err := cgroup.New(cgroup.Options{})
	require.NoError(t, err)
	h := system.Hierarchies()
	require.NotEqual(t, "v2", h.Mode(), "the comparison is written for the files of v1")
	net := startNetwork(t)

	var subjects []*subject
	add := func(name string, load func(g *lab.Group) (pid int), more func(g *lab.Group, pid int) []counter) {
		g := group(t, h, name)
		pid := load(g)
		if pid != 0 {
			net.Track(g.ID, pid, false)
		}
		s := newSubject(t, system, g, net, pid)
		if more != nil {
			s.counters = append(s.counters, more(g, pid)...)
		}
		subjects = append(subjects, s)
	}
	dir := t.TempDir()
	add("cpu", func(g *lab.Group) int { burnCPU(t, g); return 0 }, nil)
	add("memory", func(g *lab.Group) int { holdMemory(t, g, dir); return 0 }, nil)
	add("io", func(g *lab.Group) int { doIO(t, g, dir); return 0 },
		func(g *lab.Group, _ int) []counter { return ioCounters(g, diskOf(t, dir)) })
	add("pids", func(g *lab.Group) int {
		require.NoError(t, g.Set("pids", "pids.max", "50"))
		shell(t, g, "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1000 & done; wait")
		return 0
	}, nil)
	add("net", func(g *lab.Group) int { return talk(t, g) },
		func(_ *lab.Group, pid int) []counter { return netCounters(pid) })
	compare(t, subjects)
	threads, _ := subjects[3].sample.Get(reading.Processes)
	require.EqualValues(t, 11, threads, "ten sleepers and their shell")
}

func startNetwork(t *testing.T) *network.Network {
	t.Helper()
	n, err := network.New(network.Options{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		n.Close()
	})
	return n
}

// compare checks all subjects many times, and that what their loads drive moved.
func compare(t *testing.T, subjects []*subject) {
	t.Helper()
	net := subjects[4]
	require.Eventually(t, func() bool {
		require.NoError(t, net.network.Refresh())
		return len(net.network.Read(net.group.ID, nil)) == 1
	}, 10*time.Second, 10*time.Millisecond)
	driven := map[*subject][]string{
		subjects[0]: {"cpu", "cpu user", "cpu system", "periods", "throttled", "throttled time", "page faults"},
		subjects[1]: {"page faults"},
		subjects[2]: {"bytes read", "bytes written", "reads", "writes"},
		net:         {"bytes received", "packets received", "bytes sent", "packets sent"},
	}
	first, last := map[*subject][]uint64{}, map[*subject][]uint64{}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for round := 0; round < rounds || still(driven, first, last) != ""; round++ {
		require.Less(t, round, 100*rounds, "%s", still(driven, first, last))
		for _, s := range subjects {
			last[s] = s.check(t)
			if first[s] == nil {
				first[s] = last[s]
			}
		}
		<-ticker.C
	}
	for _, s := range subjects {
		s.checkGauges(t)
		s.checkLate(t)
	}
}

// still names a counter that has not moved though its load drives it.
func still(driven map[*subject][]string, first, last map[*subject][]uint64) string {
	for s, names := range driven {
		for i, c := range s.counters {
			if first[s] != nil && slices.Contains(names, c.name) && last[s][i] <= first[s][i] {
				return s.group.ID + ": " + c.name + " does not move"
			}
		}
	}
	return ""
}
