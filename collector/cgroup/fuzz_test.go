package cgroup

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/collector/reading"
)

func FuzzParseUint(f *testing.F) {
	f.Add([]byte("18446744073709551615"))
	f.Add([]byte("18446744073709551616\n"))
	f.Add([]byte("12 34"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, rest, ok := parseUint(b)
		digits := len(b) - len(strings.TrimLeft(string(b), "0123456789"))
		want, err := strconv.ParseUint(string(b[:digits]), 10, 64)
		require.Equal(t, err == nil, ok)
		if ok {
			require.Equal(t, want, v)
			require.Equal(t, b[digits:], rest)
		}
	})
}

// FuzzStats gives any text to all parsers of figures. They must end, and take no
// figure from a text without digits.
func FuzzStats(f *testing.F) {
	for _, name := range []string{
		"v1/sys/fs/cgroup/memory/docker/" + id + "/memory.stat",
		"v1/sys/fs/cgroup/cpu/docker/" + id + "/cpu.stat",
		"v1/sys/fs/cgroup/cpuacct/docker/" + id + "/cpuacct.stat",
		"v2/sys/fs/cgroup/memory.stat", "v2/sys/fs/cgroup/cpu.stat", "v2/sys/fs/cgroup/cpu.pressure",
		"proc/meminfo", "proc/loadavg",
	} {
		text, err := os.ReadFile("testdata/" + name)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte("50000 100000\n"))
	f.Add([]byte("oom_kill 3\nmax 4"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s reading.Set
		parseCPUAcctStat(b, &s)
		parseCFS(b, &s)
		parseCPUStat(b, &s, true)
		parseMemoryStat1(b, &s)
		parseMemoryStat2(b, &s, true)
		parseMemoryEvents(b, &s)
		parseOOMControl(b, &s)
		parsePressure(b, &s, reading.PressureIOWaiting, reading.PressureIOStalled)
		parseMeminfo(b, &s)
		parseThreads(b, &s)
		_, _, _, ok := parseCPUMax(b)
		if !strings.ContainsAny(string(b), "0123456789") {
			require.Zero(t, s.Len())
			require.False(t, ok)
		}
		require.LessOrEqual(t, countLines(b), uint64(len(b)))
	})
}

func FuzzDevices(f *testing.F) {
	f.Add([]byte("254:0 Read 6553600\n254:0 Write 1\nTotal 13107200\n"))
	f.Add([]byte("254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n7:1 \n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		io := blockIO{names: &deviceNames{sys: t.TempDir(), names: map[[2]uint32]string{}}}
		io.parseThrottle(b, false)
		io.parseThrottle(b, true)
		io.parseIOStat(b)
		require.LessOrEqual(t, len(io.devices), len(b)/4+1)
		for _, d := range io.publish(nil) {
			require.Contains(t, d.Device, ":")
		}
	})
}

func FuzzMountInfo(f *testing.F) {
	for _, name := range []string{"v1", "v2", "hybrid"} {
		text, err := os.ReadFile("testdata/" + name + "/mountinfo")
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte(`1 2 3:4 / /a\04 rw - cgroup cgroup rw,memory`))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseMountInfo(b, "/host")
		if err != nil {
			return
		}
		for _, dir := range h.directories() {
			require.True(t, strings.HasPrefix(dir, "/host"), dir)
		}
	})
}

func FuzzInotify(f *testing.F) {
	f.Add(make([]byte, 16))
	f.Add(append([]byte{1, 0, 0, 0, 0, 1, 0, 64, 0, 0, 0, 0, 4, 0, 0, 0}, "a\x00\x00\x00"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		for events := 0; ; events++ {
			e, rest, ok := parseInotify(b)
			if !ok {
				return
			}
			require.NotContains(t, e.name, "\x00")
			require.Less(t, len(rest), len(b))
			b = rest
		}
	})
}
