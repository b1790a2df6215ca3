package compose

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
)

// TestUnitsAreValid has systemd read the units, and say how much they leave open.
func TestUnitsAreValid(t *testing.T) {
	peers.RequireReal(t)
	analyze, err := exec.LookPath("systemd-analyze")
	require.NoError(t, err, "run test/peers/install.sh as root")
	dir := t.TempDir()
	for _, name := range []string{"lubberline", "lubberline-collector"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755))
	}
	// How much of what a service could do it may: tenths, of 100.
	exposure := map[string]string{"lubberline-collector.service": "40", "lubberline-aggregator.service": "20", "lubberline.service": "100"}
	paths, err := filepath.Glob(filepath.Join(repository(t), "deploy/systemd/*.service"))
	require.NoError(t, err)
	require.Len(t, paths, len(exposure))
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		unit := filepath.Join(dir, filepath.Base(path))
		installed := strings.ReplaceAll(string(text), "/usr/local/bin/", dir+"/")
		require.NoError(t, os.WriteFile(unit, []byte(installed), 0o644))
		out, err := exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput()
		require.NoError(t, err, string(out))
		require.Empty(t, string(out), unit)
		out, err = exec.Command(analyze, "security", "--offline=true", "--threshold="+exposure[filepath.Base(path)], unit).CombinedOutput()
		require.NoError(t, err, string(out))
	}
}
