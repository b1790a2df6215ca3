package peers_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
)

// TestDocker runs a container, reads its log, survives the engine's death and
// leaves nothing behind.
func TestDocker(t *testing.T) {
	peers.RequireReal(t)
	var socket string
	t.Run("engine", func(t *testing.T) {
		d := peers.StartDocker(t)
		socket = d.Socket
		image := d.Image(t, "lubberline.test/busybox:1")
		id := d.Run(t, "--stop-timeout", "1", "--name", "talker", "--label", "a=b", image, "sh", "-c", "echo hello; exec sleep 1000")
		require.Len(t, id, 64)

		logFile := filepath.Join(d.DataRoot, "containers", id, id+"-json.log")
		require.Eventually(t, func() bool {
			text, err := os.ReadFile(logFile)
			return err == nil && strings.Contains(string(text), `"log":"hello\n"`)
		}, 10*time.Second, 20*time.Millisecond)
		require.NotEmpty(t, d.CLI(t, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", id))

		d.Stop()
		d.Start(t)
		require.Contains(t, d.CLI(t, "ps", "-a", "--format", "{{.Names}}"), "talker")
		d.Kill()
		d.Start(t)
		require.Contains(t, d.CLI(t, "ps", "-a", "--format", "{{.Names}}"), "talker")
	})
	require.NoDirExists(t, filepath.Dir(socket))
	links, err := exec.Command("ip", "-o", "link").Output()
	require.NoError(t, err)
	require.NotContains(t, string(links), "lbd")
	processes, err := exec.Command("ps", "ax", "-o", "args").Output()
	require.NoError(t, err)
	require.NotContains(t, string(processes), filepath.Dir(socket))
}
