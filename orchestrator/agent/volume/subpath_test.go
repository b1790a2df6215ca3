package volume

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// subPath prepares mount 0 of container c.
func (r *rig) subPath(t *testing.T, p *corev1.Pod, path string) (target, source string, err error) {
	t.Helper()
	v := r.mount(t, p)
	target, err = r.SubPath(t.Context(), p, &p.Spec.Containers[0], 0, v, path)
	return target, r.table.binds[target], err
}

func TestSubPathIsMadeAndBound(t *testing.T) {
	r, p := newRig(t), podWith(emptyDir("", ""))
	target, source, err := r.subPath(t, p, "a/b")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(r.root, "pods/u1/volume-subpaths/v/c/0"), target)
	require.Equal(t, r.mount(t, p).HostPath+"/a/b", source)
	require.Equal(t, os.ModeDir|0o777, mode(t, source), "the volume's own mode")

	require.NoError(t, os.WriteFile(filepath.Join(r.mount(t, p).HostPath, "file"), nil, 0o600))
	target, source, err = r.subPath(t, p, "file")
	require.NoError(t, err)
	require.Equal(t, "file", filepath.Base(source))
	require.FileExists(t, target)
	require.Equal(t, []string{target}, r.table.points, "the old one is gone")

	require.NoError(t, r.Unmount(t.Context(), p.UID))
	require.Empty(t, r.table.points)
}

func TestSubPathOfAWrittenVolume(t *testing.T) {
	r := newRig(t)
	r.objects.configMaps["cm"] = &corev1.ConfigMap{Data: map[string]string{"k": "v"}}
	_, source, err := r.subPath(t, podWith(configMapVolume("cm")), "k")
	require.NoError(t, err)
	require.Contains(t, source, "/..20", "what the links lead to")
}

func TestSubPathNeverLeavesTheVolume(t *testing.T) {
	r, p := newRig(t), podWith(emptyDir("", ""))
	dir := r.mount(t, p).HostPath
	outside := t.TempDir()
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "out")))
	require.NoError(t, os.Symlink("../../../..", filepath.Join(dir, "up")))
	require.NoError(t, os.Symlink("in", filepath.Join(dir, "inside")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "in"), 0o700))
	f := func(path, want string) {
		t.Helper()
		_, _, err := r.subPath(t, p, path)
		require.EqualError(t, err, want)
	}
	create := `failed to create subPath directory for volumeMount "v" of container "c"`
	f("out", create)
	f("out/new", create)
	f("up", create)
	f("up/etc", create)
	f("/etc", "error SubPath `/etc` must not be an absolute path")
	f("a/../../b", "unable to provision SubPath `a/../../b`: must not contain '..'")
	require.NoDirExists(t, filepath.Join(outside, "new"))

	_, source, err := r.subPath(t, p, "inside")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "in"), source)
	f2, err := openInRoot(dir, "inside")
	require.NoError(t, err)
	require.NoError(t, f2.Close())
	_, err = openInRoot(dir, "out")
	require.Error(t, err)
}

// FuzzSubPath checks that nothing outside of the volume is ever opened.
func FuzzSubPath(f *testing.F) {
	for _, s := range []string{"a", "out/x", "up/../..", "a//b", "./out", "in/out", "\x00", "..", "/"} {
		f.Add(s)
	}
	dir := f.TempDir()
	require.NoError(f, os.Mkdir(filepath.Join(dir, "v"), 0o755))
	require.NoError(f, os.Symlink("..", filepath.Join(dir, "v", "up")))
	require.NoError(f, os.Symlink("/", filepath.Join(dir, "v", "out")))
	f.Fuzz(func(t *testing.T, s string) {
		file, err := openBeneath(filepath.Join(dir, "v"), s)
		if err != nil {
			return
		}
		defer file.Close()
		real, err := filepath.EvalSymlinks(filepath.Join(dir, "v", s))
		require.NoError(t, err)
		require.True(t, real == filepath.Join(dir, "v") || strings.HasPrefix(real, filepath.Join(dir, "v")+"/"), real)
	})
}

func TestMountTable(t *testing.T) {
	table := "36 35 98:0 / /a/b\\040c rw - ext4 /dev/x rw\n37 35 0:1 / /a/b rw - tmpfs tmpfs rw\n38 35 0:1 / /a/bc rw - tmpfs tmpfs rw\n39 1 0:1 / /a/b/d rw - tmpfs tmpfs rw\nshort\n"
	require.Equal(t, []string{"/a/b", "/a/b/d"}, mountsBelow(table, "/a/b"))
	require.Equal(t, []string{"/a/b c"}, mountsBelow(table, "/a/b c"))
}
