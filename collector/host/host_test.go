package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/procfs"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/collector/series"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a small /proc in which every source finds something.
var fixture = map[string]string{
	"stat": "cpu  20 4 6 8 10 12 14 16 0 0\ncpu0 10 2 3 400 5 6 7 8 0 0\ncpu1 10 2 3 400 5 6 7 8 0 0\n" +
		"intr 77 0 1\nctxt 88\nbtime 1764000000\nprocesses 99\nprocs_running 3\nprocs_blocked 1\nsoftirq 5 0 1 0 1 0 0 1 1 0 1\n",
	"loadavg": "0.50 0.25 1.75 2/300 4242\n",
	"meminfo": "MemTotal: 1000 kB\nMemFree: 200 kB\nMemAvailable: 500 kB\nBuffers: 10 kB\nCached: 300 kB\n" +
		"SwapTotal: 64 kB\nSwapFree: 32 kB\nDirty: 4 kB\nSlab: 20 kB\n",
	"vmstat":                               "nr_free_pages 5\npgfault 1234\npgmajfault 12\noom_kill 2\n",
	"diskstats":                            " 253 0 vda 10 1 20 30 40 2 50 60 3 70 80\n 253 1 vda1 1 1 1 1 1 1 1 1 1 1 1\n 7 0 loop0 1 1 1 1 1 1 1 1 1 1 1\n",
	"net/dev":                              "Inter-| Receive | Transmit\n face |bytes packets\n  eth0: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n vethab: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n",
	"sys/fs/file-nr":                       "1024\t0\t9223372036854775807\n",
	"sys/net/netfilter/nf_conntrack_count": "17\n",
	"sys/net/netfilter/nf_conntrack_max":   "65536\n",
	"pressure/cpu":                         "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
	"pressure/memory":                      "some avg10=0.00 avg60=0.00 avg300=0.00 total=2\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n",
	"pressure/io":                          "some avg10=0.00 avg60=0.00 avg300=0.00 total=4\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=3\n",
	"sys/kernel/random/boot_id":            "b007\n",
	"cpuinfo":                              "processor : 0\nphysical id : 0\ncore id : 0\n\nprocessor : 1\nphysical id : 0\ncore id : 1\n",
	"1/mountinfo": "20 1 0:5 / /proc rw - proc proc rw\n21 1 253:0 / / rw - ext4 /dev/vda rw\n" +
		"22 1 0:40 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw\n23 1 0:41 / /mnt/a\\040b rw - nfs srv:/x rw\n",
}

// newHost makes a Host on the fixture, whose filesystems answer 100 blocks of
// 4 KiB, half of them free.
func newHost(t *testing.T, files map[string]string) (*Host, *prometheus.Registry) {
	t.Helper()
	proc := t.TempDir()
	for name, text := range files {
		path := filepath.Join(proc, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	registry := prometheus.NewRegistry()
	h, err := New(Options{ProcPath: proc, SysPath: t.TempDir(), Hostname: "box", MountTimeout: 10 * time.Second, Registerer: registry})
	require.NoError(t, err)
	sourceOf[*filesystems](h).statfs = func(_ string, s *unix.Statfs_t) error {
		*s = unix.Statfs_t{Bsize: 4096, Blocks: 100, Bfree: 60, Bavail: 50, Files: 10, Ffree: 9}
		return nil
	}
	return h, registry
}

func sourceOf[T source](h *Host) T {
	for _, s := range h.sources {
		if t, ok := s.(T); ok {
			return t
		}
	}
	panic("no such source")
}

// read takes a reading and returns it by "name{label=value,…}".
func read(h *Host, now time.Time) map[string]float64 {
	h.Read(context.Background(), now)
	got := make(map[string]float64)
	h.View(func(_ time.Time, points []series.Point) {
		for _, p := range points {
			var labels []string
			for _, l := range p.Labels {
				labels = append(labels, l.Name+"="+l.Value)
			}
			got[p.Name+"{"+strings.Join(labels, ",")+"}"] = p.Value
		}
	})
	return got
}

var noon = time.Unix(1_764_072_000, 500_000_000)

func TestValuesAreThoseOfTheFiles(t *testing.T) {
	h, _ := newHost(t, fixture)
	got := read(h, noon)
	f := func(key string, want float64) {
		t.Helper()
		require.Contains(t, got, key)
		require.InDelta(t, want, got[key], 1e-9, key)
	}
	f("node_cpu_seconds_total{cpu=1,mode=idle}", 4)
	f("node_cpu_seconds_total{cpu=0,mode=steal}", 0.08)
	f("node_boot_time_seconds{}", 1764000000)
	f("node_intr_total{}", 77)
	f("node_procs_blocked{}", 1)
	f("node_load15{}", 1.75)
	f("node_memory_MemAvailable_bytes{}", 500*1024)
	f("node_vmstat_oom_kill{}", 2)
	f("node_disk_read_bytes_total{device=vda}", 20*512)
	f("node_disk_io_time_seconds_total{device=vda}", 0.07)
	f("node_disk_io_now{device=vda}", 3)
	f("node_network_transmit_drop_total{device=eth0}", 8)
	f("node_filefd_maximum{}", 9223372036854775807)
	f("node_nf_conntrack_entries{}", 17)
	f("node_pressure_cpu_waiting_seconds_total{}", 1.5)
	f("node_time_seconds{}", 1764072000.5)
	f("node_filesystem_avail_bytes{device=/dev/vda,fstype=ext4,mountpoint=/}", 50*4096)
	f("node_filesystem_files_free{device=srv:/x,fstype=nfs,mountpoint=/mnt/a b}", 9)
	f("machine_cpu_physical_cores{}", 2)
	f("machine_cpu_sockets{}", 1)
	for key := range got {
		require.NotContains(t, key, "veth")
		require.NotContains(t, key, "loop0")
		require.NotContains(t, key, "vda1")
		require.NotContains(t, key, "merged")
	}
}

func TestNamesAreExactlyTheCatalogs(t *testing.T) {
	h, _ := newHost(t, fixture)
	h.Read(context.Background(), noon)
	published := make(map[string]bool)
	h.View(func(_ time.Time, points []series.Point) {
		previous := ""
		for _, p := range points {
			m, ok := catalog.Lookup(p.Name)
			require.True(t, ok, p.Name)
			for _, l := range p.Labels {
				require.Contains(t, m.Labels, l.Name, p.Name)
			}
			require.True(t, p.Name == previous || !published[p.Name], "%s is not in one piece", p.Name)
			published[p.Name], previous = true, p.Name
		}
	})
	for _, m := range catalog.Metrics() {
		if strings.HasPrefix(m.Name, "node_") || strings.HasPrefix(m.Name, "machine_") || m.Name == "lubberline_node_info" {
			require.True(t, published[m.Name], m.Name)
		}
	}
}

func TestThisMachineIsRead(t *testing.T) {
	h, err := New(Options{})
	require.NoError(t, err)
	got := read(h, time.Now())
	require.Positive(t, got["node_memory_MemTotal_bytes{}"])
	require.Positive(t, got["machine_cpu_cores{}"])
	require.Positive(t, got["machine_memory_bytes{}"])
}

func TestABrokenSourceLeavesTheOthers(t *testing.T) {
	h, registry := newHost(t, fixture)
	whole := len(read(h, noon))
	vm := sourceOf[*vmStat](h)
	require.NoError(t, os.WriteFile(vm.path, []byte("pgfault 7\npgmajfault many\n"), 0o644))

	got := read(h, noon)
	require.Len(t, got, whole-3, "none of the source's points may be left")
	require.Contains(t, got, "node_load1{}")
	require.InDelta(t, 0.0, gauge(t, registry, "lubberline_host_source_success", "vmstat"), 0)
	require.InDelta(t, 1.0, gauge(t, registry, "lubberline_host_source_success", "loadavg"), 0)

	require.NoError(t, os.WriteFile(vm.path, []byte(fixture["vmstat"]), 0o644))
	require.Len(t, read(h, noon), whole)
}

func TestWhatAMachineHasNotIsNoFailure(t *testing.T) {
	files := make(map[string]string)
	for name, text := range fixture {
		if !strings.HasPrefix(name, "pressure") && !strings.HasPrefix(name, "sys/net") {
			files[name] = text
		}
	}
	h, registry := newHost(t, files)
	got := read(h, noon)
	require.NotContains(t, got, "node_nf_conntrack_entries{}")
	require.NotContains(t, got, "node_pressure_cpu_waiting_seconds_total{}")
	require.InDelta(t, 1.0, gauge(t, registry, "lubberline_host_source_success", "pressure"), 0)
	require.InDelta(t, 1.0, gauge(t, registry, "lubberline_host_source_success", "conntrack"), 0)
}

func TestWhatIsMountedAndUnmountedShowsAtOnce(t *testing.T) {
	if os.Getuid() != 0 {
		require.Empty(t, os.Getenv("LUBBERLINE_REAL"), "LUBBERLINE_REAL is set, and this test needs root")
		t.Skip("needs root to mount")
	}
	h, err := New(Options{MountTimeout: 10 * time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	dir := t.TempDir()
	size := "node_filesystem_size_bytes{device=none,fstype=tmpfs,mountpoint=" + dir + "}"
	for range 2 {
		require.NotContains(t, read(h, noon), size)
		require.NoError(t, unix.Mount("none", dir, "tmpfs", 0, "size=1m"))
		require.InDelta(t, 1<<20, read(h, noon)[size], 0)
		require.NoError(t, unix.Unmount(dir, 0))
	}
	require.NotContains(t, read(h, noon), size)
}

func TestAStuckMountIsLeftOutUntilItAnswers(t *testing.T) {
	h, registry := newHost(t, fixture)
	release, calls := make(chan struct{}), make(chan string, 10)
	f := sourceOf[*filesystems](h)
	f.timeout = 20 * time.Millisecond
	f.statfs = func(path string, s *unix.Statfs_t) error {
		calls <- path
		if path == "/mnt/a b" {
			<-release
		}
		s.Bsize, s.Blocks = 1, 1
		return nil
	}
	const root, nfs = "node_filesystem_size_bytes{device=/dev/vda,fstype=ext4,mountpoint=/}", "node_filesystem_size_bytes{device=srv:/x,fstype=nfs,mountpoint=/mnt/a b}"
	for range 3 {
		got := read(h, noon)
		require.Contains(t, got, root)
		require.NotContains(t, got, nfs)
	}
	require.InDelta(t, 1.0, gauge(t, registry, "lubberline_host_stuck_mounts", ""), 0)
	require.Len(t, calls, 4, "a stuck mount is not asked again")

	close(release)
	f.timeout = 10 * time.Second
	require.Contains(t, read(h, noon), nfs)
	require.InDelta(t, 0.0, gauge(t, registry, "lubberline_host_stuck_mounts", ""), 0)
}

func TestViewDoesNotWaitForAReading(t *testing.T) {
	h, _ := newHost(t, fixture)
	read(h, noon)
	asked, release, done := make(chan struct{}, 2), make(chan struct{}), make(chan struct{})
	sourceOf[*filesystems](h).statfs = func(string, *unix.Statfs_t) error {
		asked <- struct{}{}
		<-release
		return nil
	}
	go func() {
		defer close(done)
		h.Read(context.Background(), noon.Add(time.Second))
	}()
	<-asked
	var seen time.Time
	h.View(func(at time.Time, _ []series.Point) { seen = at })
	require.Equal(t, noon, seen)
	close(release)
	<-done
	h.View(func(at time.Time, _ []series.Point) { seen = at })
	require.Equal(t, noon.Add(time.Second), seen)
}

func TestMountsAndMachineAreReadSeldom(t *testing.T) {
	h, _ := newHost(t, fixture)
	m, loads := sourceOf[*machine](h), 0
	m.load = func() ([]series.Point, error) {
		loads++
		return []series.Point{{Name: "machine_cpu_cores", Value: 1}}, nil
	}
	read(h, noon)
	f := sourceOf[*filesystems](h)
	require.NoError(t, os.WriteFile(filepath.Join(procPath(h), "1/mountinfo"), []byte("21 1 253:0 / / rw - ext4 /dev/vda rw\n"), 0o644))
	read(h, noon.Add(time.Second))
	require.Len(t, f.mounts, 2)
	read(h, noon.Add(reloadMounts))
	require.Len(t, f.mounts, 1)
	require.Equal(t, 1, loads)
	read(h, noon.Add(reloadMachine))
	require.Equal(t, 2, loads)
	read(h, noon.Add(-time.Hour)) // a clock set back must not freeze them
	require.Equal(t, 3, loads)
}

func TestAFailedMachineReadingIsTriedAgain(t *testing.T) {
	h, _ := newHost(t, fixture)
	sourceOf[*machine](h).load = func() ([]series.Point, error) { return nil, errors.New("no cpuinfo") }
	require.NotContains(t, read(h, noon), "machine_cpu_cores{}")
	sourceOf[*machine](h).load = func() ([]series.Point, error) { return []series.Point{{Name: "machine_cpu_cores"}}, nil }
	require.Contains(t, read(h, noon), "machine_cpu_cores{}")
}

func procPath(h *Host) string { return filepath.Dir(sourceOf[*vmStat](h).path) }

// gauge reads an own metric; source is its label's value, empty for none.
func gauge(t *testing.T, registry *prometheus.Registry, name, source string) float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && (source == "" || m.GetLabel()[0].GetValue() == source) {
				return m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no metric %s{source=%q}", name, source)
	return 0
}

func TestOwnMetricsAreWellNamed(t *testing.T) {
	_, registry := newHost(t, fixture)
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func FuzzParseVMStat(f *testing.F) {
	f.Add([]byte(fixture["vmstat"]))
	f.Add([]byte("pgfault \n\noom_kill -1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var out points
		if err := parseVMStat(text, &out); err == nil {
			for _, p := range out.list {
				if p.Value < 0 {
					t.Fatalf("%s is %f", p.Name, p.Value)
				}
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	h, err := New(Options{})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		h.Read(context.Background(), time.Now())
	}
}

// A reader in another network namespace takes the machine's interfaces from
// process 1, and has nothing to tell of connections.
func TestInterfacesOfAnotherNamespaceAreThoseOfProcess1(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "1/net"), 0o755))
	header := "Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "1/net/dev"), []byte(header+"  eth9: 7 1 0 0 0 0 0 0 8 1 0 0 0 0 0 0\n"), 0o600))
	proc, err := procfs.NewFS(dir)
	require.NoError(t, err)
	var out points
	require.NoError(t, newInterfaces(proc, false).read(t.Context(), time.Now(), &out))
	require.Equal(t, "eth9", out.list[0].Labels[0].Value)
	require.InDelta(t, 7, out.list[0].Value, 0)
	require.ErrorIs(t, newConntrack(proc, false).read(t.Context(), time.Now(), &out), errNoData)
	require.True(t, ownNetwork(dir), "nothing can be told")
}

func TestPrettyName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "os-release")
	require.NoError(t, os.WriteFile(path, []byte("NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"), 0o600))
	require.Equal(t, "Debian GNU/Linux 12 (bookworm)", prettyName(path))
	require.Empty(t, prettyName(path+"x"))
}
