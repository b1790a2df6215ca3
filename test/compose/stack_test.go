package compose

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
)

// repository is the folder of go.mod.
func repository(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(dir, "go.mod"))
	return dir
}

// docker runs the docker command with something on its standard input.
func docker(t *testing.T, d *peers.Docker, stdin io.Reader, args ...string) string {
	t.Helper()
	return run(t, stdin, []string{"DOCKER_HOST=" + d.Host()}, "docker", args...)
}

func run(t *testing.T, stdin io.Reader, env []string, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Stdin = append(os.Environ(), env...), stdin
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		require.NoError(t, err, "%s %s: %s%s", program, strings.Join(args, " "), stdout.String(), stderr.String())
	}
	return strings.TrimSpace(stdout.String())
}

// generation is one of the two programs that bring the stack up.
type generation struct {
	name    string
	program []string
	env     []string
}

func generations(t *testing.T) []generation {
	t.Helper()
	config := t.TempDir()
	plugins := filepath.Join(config, "cli-plugins")
	require.NoError(t, os.MkdirAll(plugins, 0o755))
	require.NoError(t, os.Symlink(peers.Program(t, peers.Compose2), filepath.Join(plugins, "docker-compose")))
	v1, err := exec.LookPath("docker-compose")
	require.NoError(t, err, "run test/peers/install.sh as root")
	return []generation{
		{"v2", []string{"docker", "compose"}, []string{"DOCKER_CONFIG=" + config}},
		{"v1", []string{v1}, nil},
	}
}

func (g generation) run(t *testing.T, env []string, args ...string) string {
	t.Helper()
	return run(t, nil, append(g.env, env...), g.program[0], append(g.program[1:], args...)...)
}
