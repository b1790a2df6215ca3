package series

import (
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/collector/reading"
)

// full is a container of which everything is known; field i has value 1000+i.
func full() *reading.Container {
	c := &reading.Container{ID: "/docker/1", Created: time.Unix(1, 5)}
	c.Sample.Time = 2_500_000_000
	for f := range reading.NumFields {
		c.Sample.Put(f, 1000+uint64(f))
	}
	c.Sample.Devices = []reading.DeviceIO{{Device: "/dev/vda", ReadBytes: 1, WriteBytes: 2, Reads: 3, Writes: 4}, {Device: "8:0"}}
	c.Sample.Interfaces = []reading.NetIO{{Interface: "eth0", RxBytes: 1, RxPackets: 2, RxErrors: 3, RxDropped: 4, TxBytes: 5, TxPackets: 6, TxErrors: 7, TxDropped: 8}}
	c.Sample.Filesystems = []reading.Filesystem{{Device: "/dev/vdb", Usage: 1, Limit: 2, Available: 3, Inodes: 4, InodesFree: 5}}
	return c
}

func TestEveryContainerMetricHasARowAndEveryFieldAMetric(t *testing.T) {
	rows := Rows()
	have := map[string]bool{InfoMetric: true}
	for _, r := range rows {
		have[r.Metric.Name] = true
		var names []string
		for _, l := range r.Fixed {
			names = append(names, l.Name)
		}
		if r.Extra != "" {
			names = append(names, r.Extra)
		}
		require.Equal(t, r.Metric.Labels, names, r.Metric.Name)
	}
	for _, m := range catalog.Metrics() {
		if len(m.Name) > 10 && m.Name[:10] == "container_" {
			require.True(t, have[m.Name], m.Name)
		}
	}
	require.Len(t, scalars, int(reading.NumFields))
	for f, s := range scalars {
		require.NotEmpty(t, s.metric, "field %d", f)
	}
}

func TestRowsGiveEveryValueOnce(t *testing.T) {
	c := full()
	got := map[string]Value{}
	for _, r := range Rows() {
		r.Each(c, func(extra string, v Value) {
			var key strings.Builder
			key.WriteString(r.Metric.Name + "/" + extra)
			for _, l := range r.Fixed {
				key.WriteString("/" + l.Value)
			}
			require.NotContains(t, got, key.String())
			got[key.String()] = v
		})
	}
	require.Len(t, got, int(reading.NumFields)+2*4+8+5+2)
	require.Equal(t, Value{N: 1000, Nano: true}, got["container_cpu_usage_seconds_total/"])
	require.Equal(t, Value{N: 1000 + uint64(reading.MemoryFaultsTree)}, got["container_memory_failures_total//pgfault/hierarchy"])
	require.Equal(t, Value{N: 2}, got["container_fs_writes_bytes_total//dev/vda"])
	require.Equal(t, Value{N: 8}, got["container_network_transmit_packets_dropped_total/eth0"])
	require.Equal(t, Value{N: 3}, got["container_fs_available_bytes//dev/vdb"])
	require.Equal(t, Value{N: 1_000_000_005, Nano: true}, got["container_start_time_seconds/"])
	require.Equal(t, Value{N: 2_500_000_000, Nano: true}, got["container_last_seen/"])
}

func TestUnknownIsAbsent(t *testing.T) {
	n := 0
	for _, r := range Rows() {
		r.Each(&reading.Container{ID: "/x"}, func(string, Value) { n++ })
	}
	require.Zero(t, n)
}

func TestRowsAllocateNothing(t *testing.T) {
	c, rows, n := full(), Rows(), 0
	emit := func(string, Value) { n++ }
	require.Zero(t, testing.AllocsPerRun(10, func() {
		for i := range rows {
			rows[i].Each(c, emit)
		}
	}))
}

func TestValue(t *testing.T) {
	f := func(v Value, want string) {
		t.Helper()
		require.Equal(t, want, string(v.Append(nil)))
		exact, ok := new(big.Float).SetPrec(200).SetString(want)
		require.True(t, ok)
		nearest, _ := exact.Float64()
		require.InDelta(t, nearest, v.Float(), math.Abs(nearest)*1e-15)
	}
	f(Value{}, "0")
	f(Value{Nano: true}, "0")
	f(Value{N: 1, Nano: true}, "0.000000001")
	f(Value{N: 1_500_000_000, Nano: true}, "1.5")
	f(Value{N: 12_000_000_000, Nano: true}, "12")
	f(Value{N: 1_764_027_087_123_456_789, Nano: true}, "1764027087.123456789")
	f(Value{N: math.MaxUint64}, "18446744073709551615")
}

func TestIdentityAndInfo(t *testing.T) {
	c := &reading.Container{ID: "/a"}
	require.Equal(t, []Label{{"id", "/a"}}, Identity(c))
	require.Nil(t, Info(nil))
	require.Nil(t, Info(&reading.Identity{}))

	c.Identity = &reading.Identity{
		Runtime: "docker", ContainerID: "4f", Name: "web", Image: "nginx", Namespace: "shop", Pod: "web-1", Container: "web",
		Labels: map[string]string{"b": "2", "a": "1"},
	}
	require.Equal(t, []Label{{"container", "web"}, {"id", "/a"}, {"image", "nginx"}, {"name", "web"}, {"namespace", "shop"}, {"pod", "web-1"}}, Identity(c))
	require.Equal(t, []Label{{"container_id", "4f"}, {"labels", "a:1,b:2"}, {"runtime", "docker"}}, Info(c.Identity))
	require.Equal(t, []Label{{"a", "1"}, {"b", "2"}}, Merge([]Label{{"b", "2"}}, []Label{{"a", "1"}}))
}
