package hostroot

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPath(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "run"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "var/log"), 0o755))
	require.NoError(t, os.Symlink("/run", filepath.Join(dir, "var/run")))
	require.NoError(t, os.Symlink("../../run", filepath.Join(dir, "var/log/pods")))
	require.NoError(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	f := func(root Root, path, want string) {
		t.Helper()
		require.Equal(t, want, root.Path(path))
	}
	f("", "/var/run/docker.sock", "/var/run/docker.sock")
	host := Root(dir)
	f(host, "", "")
	f(host, "/var/run/docker.sock", dir+"/run/docker.sock")
	f(host, "/var/log/pods/a_b_c/d/0.log", dir+"/run/a_b_c/d/0.log")
	f(host, "/none/of this", dir+"/none/of this")
	f(host, "/../../etc/passwd", dir+"/etc/passwd")
	f(host, "/loop/x", dir+"/loop/x")
}
