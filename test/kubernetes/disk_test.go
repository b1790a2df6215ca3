package kubernetes

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/test/peers"
)

// TestAFullDisk fills the disk of a node of its own: it says so, takes no new
// pods, ends what uses the disk, and everything else goes on.
func TestAFullDisk(t *testing.T) {
	peers.RequireReal(t)
	m := newMachine(1)
	m.Disk = 1 << 30
	t.Cleanup(func() { require.NoError(t, m.Clean()) })
	require.NoError(t, m.Boot())
	k := ours(t, m)
	k.create(pod("early", counting))
	k.ready("early")

	fill(t, filepath.Join(m.Dir, "d"), 48<<20)
	k.becomes("True", `{.status.conditions[?(@.type=="DiskPressure")].status}`, "node", node)
	k.shows("node.kubernetes.io/disk-pressure", "get", "node", node, "-o", "jsonpath={.spec.taints}")

	k.becomes("Evicted", "{.status.reason}", "pod", "early")
	require.Contains(t, k.jsonpath("{.status.message}", "pod", "early"), "The node was low on resource: ephemeral-storage. Threshold quantity: ")
	require.Equal(t, "Failed", k.jsonpath("{.status.phase}", "pod", "early"))

	k.create(pod("late", counting))
	k.shows("0/1 nodes are available: 1 node(s) had untolerated taint", "describe", "pod", "late")
	require.Equal(t, "Pending", k.jsonpath("{.status.phase}", "pod", "late"))

	require.Equal(t, "ok", k.run("get", "--raw", "/livez"))
	k.run("create", "configmap", "still-written", "--from-literal=a=b")
	require.False(t, m.Ended())
}

// fill leaves so many bytes of the file system free.
func fill(t *testing.T, dir string, leave int64) {
	t.Helper()
	var fs unix.Statfs_t
	require.NoError(t, unix.Statfs(dir, &fs))
	f, err := os.Create(filepath.Join(dir, "fill"))
	require.NoError(t, err)
	defer f.Close()
	size := int64(fs.Bavail)*fs.Bsize - leave
	require.Positive(t, size, "%+v", fs)
	require.NoError(t, unix.Fallocate(int(f.Fd()), 0, 0, size))
}
