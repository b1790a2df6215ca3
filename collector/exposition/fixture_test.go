package exposition

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/collector/series"
)

var update = flag.Bool("update", false, "write the golden files anew")

// containers is a fixed set of containers.
type containers struct {
	tick time.Time
	list []*reading.Container
}

func (c *containers) View(f func(time.Time, []*reading.Container)) { f(c.tick, c.list) }

type machine struct {
	at     time.Time
	points []series.Point
}

func (m *machine) View(f func(time.Time, []series.Point)) { f(m.at, m.points) }

var tick = time.UnixMilli(1_764_072_000_000)

func newContainer(id string, identity *reading.Identity, values map[reading.Field]uint64) *reading.Container {
	c := &reading.Container{ID: id, Created: tick.Add(-time.Hour), Identity: identity}
	c.Sample.Time = tick.Add(1500 * time.Microsecond).UnixNano()
	for f, v := range values {
		c.Sample.Put(f, v)
	}
	return c
}

const second = uint64(1e9)

// fixture is a machine with the root cgroup, a service, a Docker container
// alone, a Kubernetes pod with its own cgroup, sandbox and container, and a
// container whose identity is not known yet.
func fixture() []*reading.Container {
	root := newContainer("/", &reading.Identity{}, map[reading.Field]uint64{reading.CPUUsage: 100*second + 5, reading.MemoryWorkingSet: 4000, reading.MemoryUsage: 5000})
	service := newContainer("/system.slice/ssh.service", &reading.Identity{}, map[reading.Field]uint64{reading.CPUUsage: second, reading.MemoryUsage: 10, reading.MemoryWorkingSet: 7})
	web := newContainer("/docker/aaa", &reading.Identity{
		Runtime: "docker", ContainerID: "aaa", Name: "web", Image: `nginx:"1"`, Namespace: "shop", Pod: "web", Container: "web",
		Labels: map[string]string{"com.docker.compose.project": "shop", "note": "a\\b\nc"}, Started: tick.Add(-time.Minute),
	}, map[reading.Field]uint64{
		reading.CPUUsage: 12*second + 345678901, reading.MemoryUsage: 2000, reading.MemoryWorkingSet: 1500, reading.SpecMemoryLimit: 4096,
		reading.MemoryFaults: 11, reading.MemoryMajorFaults: 1, reading.MemoryFaultsTree: 12, reading.Processes: 2, reading.FilesystemLogs: 77,
	})
	web.Sample.Devices = []reading.DeviceIO{{Device: "/dev/vda", ReadBytes: 4096, WriteBytes: 8192, Reads: 1, Writes: 2}}
	web.Sample.Interfaces = []reading.NetIO{{Interface: "lo", RxBytes: 9}, {Interface: "eth0", RxBytes: 100, TxBytes: 200, RxErrors: 1}}
	web.Sample.Filesystems = []reading.Filesystem{{Device: "/dev/vda", Usage: 10, Limit: 1000, Available: 900, Inodes: 50, InodesFree: 40}}
	pod := newContainer("/kubepods/podu-1", &reading.Identity{PodUID: "u-1", Namespace: "prod", Pod: "db-0"}, map[reading.Field]uint64{reading.CPUUsage: 9 * second, reading.MemoryUsage: 900, reading.MemoryWorkingSet: 800})
	sandbox := newContainer("/kubepods/podu-1/ccc", &reading.Identity{Runtime: "containerd", ContainerID: "ccc", Namespace: "prod", Pod: "db-0", PodUID: "u-1", Sandbox: true, Name: "pause"}, map[reading.Field]uint64{reading.CPUUsage: second / 2, reading.MemoryUsage: 5, reading.MemoryWorkingSet: 5})
	sandbox.Sample.Interfaces = []reading.NetIO{{Interface: "eth0", RxBytes: 7, TxBytes: 8}}
	db := newContainer("/kubepods/podu-1/bbb", &reading.Identity{Runtime: "containerd", ContainerID: "bbb", Namespace: "prod", Pod: "db-0", PodUID: "u-1", Container: "db", Name: "db"}, map[reading.Field]uint64{reading.CPUUsage: 8 * second, reading.MemoryUsage: 800, reading.MemoryWorkingSet: 700})
	unknown := newContainer("/docker/ddd", nil, map[reading.Field]uint64{reading.CPUUsage: 3 * second})
	return []*reading.Container{root, service, web, pod, sandbox, db, unknown}
}

func fixtureMachine() *machine {
	label := func(pairs ...string) (labels []series.Label) {
		for i := 0; i < len(pairs); i += 2 {
			labels = append(labels, series.Label{Name: pairs[i], Value: pairs[i+1]})
		}
		return labels
	}
	root := label("device", "/dev/vda", "fstype", "ext4", "mountpoint", "/")
	return &machine{at: tick, points: []series.Point{
		{Name: "node_cpu_seconds_total", Labels: label("cpu", "0", "mode", "idle"), Value: 50},
		{Name: "node_cpu_seconds_total", Labels: label("cpu", "0", "mode", "user"), Value: 2.5},
		{Name: "node_boot_time_seconds", Value: 1764000000},
		{Name: "node_memory_MemTotal_bytes", Value: 10000},
		{Name: "node_memory_MemAvailable_bytes", Value: 6000},
		{Name: "node_filesystem_size_bytes", Labels: root, Value: 1e6},
		{Name: "node_filesystem_avail_bytes", Labels: root, Value: 4e5},
		{Name: "node_filesystem_files", Labels: root, Value: 100},
		{Name: "node_filesystem_files_free", Labels: root, Value: 60},
		{Name: "node_network_receive_bytes_total", Labels: label("device", "lo"), Value: 1},
		{Name: "node_network_receive_bytes_total", Labels: label("device", "eth0"), Value: 1234},
		{Name: "node_network_transmit_bytes_total", Labels: label("device", "eth0"), Value: 5678},
		{Name: "machine_cpu_cores", Value: 2},
	}}
}

// serve makes the handlers for a set of containers.
func serve(t testing.TB, o Options) (*Exposition, *http.ServeMux) {
	t.Helper()
	o.Node = "box"
	e, err := New(o)
	require.NoError(t, err)
	mux := http.NewServeMux()
	e.Register(mux)
	return e, mux
}

func get(t testing.TB, mux http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

// golden compares with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// many makes n containers of which everything is known.
func many(n int) []*reading.Container {
	var list []*reading.Container
	for i := range n {
		id := fmt.Sprintf("%064x", i)
		values := make(map[reading.Field]uint64)
		for f := range reading.NumFields {
			values[f] = uint64(i+1) * 123456789 * uint64(f+1)
		}
		c := newContainer("/docker/"+id, &reading.Identity{
			Runtime: "docker", ContainerID: id, Name: "web-" + id[60:], Image: "registry.example.com/team/web:1.2.3",
			Namespace: "docker", Pod: "web-" + id[60:], Container: "web-" + id[60:], Labels: map[string]string{"app": "web", "tier": "front"},
		}, values)
		c.Sample.Devices = []reading.DeviceIO{{Device: "/dev/vda", ReadBytes: 1 << 40}}
		c.Sample.Interfaces = []reading.NetIO{{Interface: "eth0", RxBytes: 1 << 40}}
		c.Sample.Filesystems = []reading.Filesystem{{Device: "/dev/vda", Usage: 1 << 30}}
		list = append(list, c)
	}
	return list
}
