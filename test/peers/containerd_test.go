package peers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
)

// TestContainerd runs a pod, reads its log, survives the daemon's death and
// leaves nothing behind.
func TestContainerd(t *testing.T) {
	peers.RequireReal(t)
	var dir string
	t.Run("cri", func(t *testing.T) {
		c := peers.StartContainerd(t)
		dir = filepath.Dir(c.Socket)
		image := c.Image(t, "lubberline.test/busybox:1", "sh")
		sandbox, container := c.RunPod(t, peers.Pod{
			Namespace: "shop", Name: "web-1", UID: "11111111-2222-3333-4444-555555555555", Labels: map[string]string{"app": "web"},
			Container: "main", Image: image, Command: []string{"sh", "-c", "echo hello; exec sleep 1000"},
		})
		require.Len(t, sandbox, 64)
		require.Len(t, container, 64)
		log := filepath.Join(c.LogDir, "shop_web-1_11111111-2222-3333-4444-555555555555", "main", "0.log")
		require.Eventually(t, func() bool {
			text, err := os.ReadFile(log)
			return err == nil && strings.HasSuffix(string(text), " stdout F hello\n")
		}, 10*time.Second, 20*time.Millisecond)
		c.Kill()
		c.Start(t)
		c.RemovePod(t, sandbox)
	})
	require.NoDirExists(t, dir)
	groups, err := filepath.Glob("/sys/fs/cgroup/*/kubepods")
	require.NoError(t, err)
	require.Empty(t, groups)
}
