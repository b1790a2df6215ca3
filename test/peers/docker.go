package peers

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Docker is a Docker engine of the test's own: its data, sockets and bridge are
// apart from any other engine of the machine, and it touches no firewall
// rules. Containers get the cgroup paths that every Docker gives
// (/docker/<id>). Start, Stop and Kill keep data and address.
type Docker struct {
	server
	// Socket is the path of the API's socket.
	Socket string
	// DataRoot is --data-root; container logs lie in
	// DataRoot/containers/ID/ID-json.log.
	DataRoot string

	execRoot string
	bridge   *bridge
	lock     *engineLock
}

// Host is the value for DOCKER_HOST.
func (d *Docker) Host() string { return "unix://" + d.Socket }

// StartDocker starts an engine; extra arguments go to dockerd. Everything it
// leaves (containers, networks, mounts, cgroups, the bridge) is removed at the
// end of the test. It needs root.
func StartDocker(t testing.TB, args ...string) *Docker {
	t.Helper()
	for _, program := range []string{"dockerd", "docker", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("docker: no %s: run test/peers/install.sh as root", program)
		}
	}
	if os.Getuid() != 0 {
		t.Fatal("docker: the engine of the test needs root")
	}
	dir := shortDir(t)
	d := &Docker{
		server:   server{name: "dockerd", dir: dir},
		Socket:   filepath.Join(dir, "docker.sock"),
		DataRoot: filepath.Join(dir, "data"),
		execRoot: filepath.Join(dir, "exec"),
	}
	t.Cleanup(func() { d.remove(t) })
	var err error
	if d.lock, err = shareEngines(); err != nil {
		t.Fatal(err)
	}
	if d.bridge, err = addBridge(); err != nil {
		t.Fatal(err)
	}
	d.command = func() *exec.Cmd { return d.daemon(args) }
	d.ready = func() error { _, err := d.run(nil, "version"); return err }
	d.Start(t)
	return d
}

// shortDir is a directory whose path leaves room for the long socket names
// below it; t.TempDir does not. It is removed with the engine.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lbd")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func (d *Docker) daemon(args []string) *exec.Cmd {
	all := []string{
		"--data-root", d.DataRoot, "--exec-root", d.execRoot, "-H", d.Host(),
		"-p", filepath.Join(d.dir, "docker.pid"), "--config-file", d.config(),
		"--bridge", d.bridge.name, "--iptables=false", "--ip6tables=false", "--ip-masq=false",
		"--log-level", "warn",
	}
	// A containerd that serves the machine is shared, in a namespace of our own.
	name := filepath.Base(d.dir)
	all = append(all, "--containerd-namespace", name, "--containerd-plugins-namespace", name+"p")
	cmd := exec.Command("dockerd", append(all, args...)...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST=", "TMPDIR="+d.dir)
	return cmd
}

// config is an empty configuration file, so that the machine's own is not read.
func (d *Docker) config() string {
	path := filepath.Join(d.dir, "daemon.json")
	if !exists(path) {
		_ = os.WriteFile(path, []byte("{}\n"), 0o644)
	}
	return path
}

// CLI runs the docker command against this engine and returns what it printed,
// trimmed. A failure fails the test.
func (d *Docker) CLI(t testing.TB, args ...string) string {
	t.Helper()
	out, err := d.run(nil, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Run starts a container in the background (docker run -d ARGS…) and returns
// its full id.
func (d *Docker) Run(t testing.TB, args ...string) string {
	t.Helper()
	return d.CLI(t, append([]string{"run", "-d"}, args...)...)
}

// Image imports an image of that name made of this machine's static busybox,
// with all its commands on the PATH, and returns the name.
func (d *Docker) Image(t testing.TB, name string) string {
	t.Helper()
	tagged := name
	if !strings.Contains(name, ":") {
		tagged += ":latest" // an archive must say what docker makes of a bare name
	}
	archive, err := busyboxArchive(tagged, []string{"sh"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.run(archive, "load"); err != nil {
		t.Fatal(err)
	}
	return name
}

func (d *Docker) run(stdin []byte, args ...string) (string, error) {
	cmd := exec.Command("docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+d.Host(), "DOCKER_CONFIG="+d.dir)
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// remove ends containers and engine and takes away what they leave.
func (d *Docker) remove(t testing.TB) {
	t.Helper()
	if d.proc != nil && !d.proc.exited() {
		d.removeContainers()
	}
	if d.proc != nil {
		d.Stop()
	}
	killMentioning(d.dir)
	containers := namesIn(filepath.Join(d.DataRoot, "containers"))
	defer d.lock.last(func() { removeCgroups("docker", containers) })
	if d.bridge != nil {
		d.bridge.remove()
	}
	if err := unmountBelow(d.dir); err != nil {
		t.Errorf("docker: %v", err)
		return // never delete through a mount
	}
	if err := os.RemoveAll(d.dir); err != nil {
		t.Errorf("docker: %v", err)
	}
}

func namesIn(dir string) (names []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (d *Docker) removeContainers() {
	if ids, err := d.run(nil, "ps", "-aq"); err == nil && ids != "" {
		_, _ = d.run(nil, append([]string{"rm", "-f", "-v"}, strings.Fields(ids)...)...)
	}
	if ids, err := d.run(nil, "network", "ls", "-q", "--filter", "type=custom"); err == nil && ids != "" {
		_, _ = d.run(nil, append([]string{"network", "rm"}, strings.Fields(ids)...)...)
	}
}

// Kill ends the engine as a power cut would, and with it the containerd that it
// started; containers go on running until the next Start finds them.
func (d *Docker) Kill() {
	d.server.Kill()
	pidFile := filepath.Join(d.execRoot, "containerd", "containerd.pid")
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && pid > 1 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		waitGone(pid, 5*time.Second)
	}
	// Where nobody reaps orphans the engine would take the dead one for alive.
	_ = os.Remove(pidFile)
}
