package volume

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/test/peers"
)

// TestRealMounts needs root.
func TestRealMounts(t *testing.T) {
	peers.RequireReal(t)
	r := newRig(t)
	r.o.Mounter = Kernel{}
	p := podWith(emptyDir(corev1.StorageMediumMemory, "1Mi"))
	v := r.mount(t, p)
	t.Cleanup(func() { _ = r.Unmount(t.Context(), p.UID) })
	mounted, err := Kernel{}.IsMounted(v.HostPath)
	require.NoError(t, err)
	require.True(t, mounted)
	require.Equal(t, os.FileMode(0o777), mode(t, v.HostPath).Perm())
	require.Error(t, os.WriteFile(filepath.Join(v.HostPath, "big"), make([]byte, 2<<20), 0o600), "the size limit")
	require.NoError(t, os.Remove(filepath.Join(v.HostPath, "big")))

	target, err := r.SubPath(t.Context(), p, &p.Spec.Containers[0], 0, v, "a/b")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(v.HostPath, "a/b/file"), []byte("x"), 0o600))
	require.Equal(t, "x", read(t, target, "file"))
	again, err := r.SubPath(t.Context(), p, &p.Spec.Containers[0], 0, v, "a/b")
	require.NoError(t, err)
	require.Equal(t, target, again)

	require.NoError(t, r.Unmount(t.Context(), p.UID))
	require.NoDirExists(t, r.PodDir(p.UID))
	points, err := Kernel{}.Below(r.root)
	require.NoError(t, err)
	require.Empty(t, points)
}
