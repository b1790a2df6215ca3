package doctor

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func fixture(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return root
}

const v2Mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"

func TestCgroupsV2(t *testing.T) {
	root := fixture(t, map[string]string{
		"proc/self/mountinfo":              v2Mount,
		"sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory\n",
	})
	got := checkCgroups(t.Context(), Options{Root: root})
	require.Equal(t, []Finding{
		{"cgroups", OK, "v2: blkio cpu cpuacct memory", ""},
		{"cgroups", Cost, "no pids controller", "no thread counts"},
	}, got)
}

func TestCgroupsV1(t *testing.T) {
	root := fixture(t, map[string]string{"proc/self/mountinfo": "" +
		"40 30 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
		"41 30 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
		"42 30 0:32 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n" +
		"43 30 0:33 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n"})
	got := checkCgroups(t.Context(), Options{Root: root})
	require.Equal(t, []Finding{{"cgroups", OK, "v1: blkio cpu cpuacct memory pids", ""}}, got)
}

func TestNoCgroups(t *testing.T) {
	root := fixture(t, map[string]string{"proc/self/mountinfo": "1 0 0:1 / / rw - ext4 /dev/vda rw\n"})
	require.Equal(t, Fail, Worst(checkCgroups(t.Context(), Options{Root: root})))
}

func TestPrivileges(t *testing.T) {
	root := fixture(t, map[string]string{"proc/self/status": "Name:\tx\nCapEff:\t0000000000000004\n"})
	got := checkPrivileges(t.Context(), Options{Root: root})
	require.Len(t, got, 2)
	require.Equal(t, "no CAP_SYS_PTRACE", got[0].Seen)
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	got := checkPorts(t.Context(), Options{Listen: []string{l.Addr().String(), "127.0.0.1:0"}})
	require.Equal(t, Fail, got[0].Status)
	require.Contains(t, got[0].Seen, l.Addr().String())
	require.Equal(t, OK, got[1].Status)
}

func TestRuntimeSockets(t *testing.T) {
	live := filepath.Join(t.TempDir(), "d.sock")
	l, err := net.Listen("unix", live)
	require.NoError(t, err)
	defer l.Close()
	got := checkRuntimes(t.Context(), Options{Sockets: map[string][]string{"docker": {live}, "cri-o": {"/nowhere.sock"}}})
	require.Equal(t, []Finding{{"runtimes", OK, "docker answers at " + live, ""}}, got)
	none := checkRuntimes(t.Context(), Options{Sockets: map[string][]string{"docker": {"/nowhere.sock"}}})
	require.Equal(t, Cost, Worst(none))
}

func TestDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "yet")
	require.Equal(t, OK, checkDisk(t.Context(), Options{DataDir: dir})[0].Status)
	require.Equal(t, Cost, checkDisk(t.Context(), Options{DataDir: dir, MinFree: 1 << 62})[0].Status)
}

func TestExamineThisMachine(t *testing.T) {
	findings := Examine(t.Context(), Options{DataDir: t.TempDir(), Listen: []string{"127.0.0.1:0"}})
	var out bytes.Buffer
	require.NoError(t, Print(&out, findings))
	for _, name := range []string{"kernel", "cgroups", "pressure", "privileges", "limits", "runtimes", "disk", "ports"} {
		require.Contains(t, out.String(), name)
	}
}

func TestBlockIONotCounted(t *testing.T) {
	mountinfo := "43 30 0:33 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n"
	root := fixture(t, map[string]string{"proc/self/mountinfo": mountinfo, "sys/fs/cgroup/blkio/blkio.throttle.io_service_bytes_recursive": "Total 0\n"})
	require.Equal(t, Cost, Worst(checkBlockIO(t.Context(), Options{Root: root})))
	root = fixture(t, map[string]string{"proc/self/mountinfo": mountinfo, "sys/fs/cgroup/blkio/blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\nTotal 4096\n"})
	require.Empty(t, checkBlockIO(t.Context(), Options{Root: root}))
}
