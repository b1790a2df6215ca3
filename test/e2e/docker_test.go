package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
)

// TestDockerContainersAgainstTheKernel holds what /metrics says of two
// containers that talk over Docker's bridge against the kernel's own files: a
// counter lies between what the file said before the sample and after it.
func TestDockerContainersAgainstTheKernel(t *testing.T) {
	peers.RequireReal(t)
	docker := peers.StartDocker(t)
	image := docker.Image(t, "box")
	server := docker.Run(t, "--name", "server", image, "sh", "-c", "while :; do head -c 200000 /dev/zero | nc -l -p 7000; done")
	address := docker.CLI(t, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", server)
	client := docker.Run(t, "--name", "client", image, "sh", "-c",
		"while :; do nc "+strings.TrimSpace(address)+" 7000 >/dev/null </dev/null; sleep 0.05; done")
	m := up(t, dataDir(t), dockerConfig(docker, "1s"))

	for name, id := range map[string]string{"server": strings.TrimSpace(server), "client": strings.TrimSpace(client)} {
		pid := strings.TrimSpace(docker.CLI(t, "inspect", "-f", "{{.State.Pid}}", id))
		for _, c := range kernelCounters(id, pid) {
			m.eventually(name+" "+c.series, func() error { return m.bracket(name, c) })
		}
	}
}

// kernelCounter is a series and the file that has the same figure.
type kernelCounter struct {
	series string
	read   func() (float64, error)
	unit   float64 // of the file, in the series' unit
	grows  bool    // it must have moved
}

func kernelCounters(id, pid string) []kernelCounter {
	group := func(controller, file string) func() (float64, error) {
		return func() (float64, error) {
			text, err := os.ReadFile("/sys/fs/cgroup/" + controller + "/docker/" + id + "/" + file)
			if err != nil {
				return 0, err
			}
			return strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
		}
	}
	return []kernelCounter{
		{"container_cpu_usage_seconds_total", group("cpuacct", "cpuacct.usage"), 1e-9, true},
		{"container_network_receive_bytes_total", netDev(pid, 0), 1, true},
		{"container_network_receive_packets_total", netDev(pid, 1), 1, true},
		{"container_network_transmit_bytes_total", netDev(pid, 8), 1, true},
		{"container_network_transmit_packets_total", netDev(pid, 9), 1, true},
		{"container_memory_max_usage_bytes", group("memory", "memory.max_usage_in_bytes"), 1, false},
		{"container_spec_memory_swap_limit_bytes", nil, 1, false},
	}
}

// netDev reads a column of eth0 as seen from inside.
func netDev(pid string, column int) func() (float64, error) {
	return func() (float64, error) {
		text, err := os.ReadFile("/proc/" + pid + "/net/dev")
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(text)) {
			if name, figures, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && name == "eth0" {
				return strconv.ParseFloat(strings.Fields(figures)[column], 64)
			}
		}
		return 0, fmt.Errorf("no eth0 in /proc/%s/net/dev", pid)
	}
}

func (m *machine) bracket(name string, c kernelCounter) error {
	if c.read == nil { // no limit was set: the series must be absent
		if _, _, err := m.scrape(name, c.series); err == nil {
			return fmt.Errorf("%s is there", c.series)
		}
		return nil
	}
	before, err := c.read()
	if err != nil {
		return err
	}
	from := time.Now()
	for deadline := from.Add(5 * time.Second); ; {
		ours, at, err := m.scrape(name, c.series)
		if err != nil {
			return err
		}
		if at.Before(from) && time.Now().Before(deadline) {
			time.Sleep(poll)
			continue
		}
		after, err := c.read()
		if err != nil {
			return err
		}
		const rounding = 1e-6
		if ours < before*c.unit-rounding || ours > after*c.unit+rounding || (c.grows && after == before) {
			return fmt.Errorf("ours %v, the kernel's %v before and %v after", ours, before*c.unit, after*c.unit)
		}
		return nil
	}
}

// scrape finds one container's series in /metrics; figures of several
// interfaces do not occur here.
func (m *machine) scrape(name, series string) (float64, time.Time, error) {
	status, body, err := m.collector.get("/metrics/cadvisor")
	if err != nil || status != 200 {
		return 0, time.Time{}, fmt.Errorf("scrape: %d %w", status, err)
	}
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, series+"{") && strings.Contains(line, `name="`+name+`"`) {
			fields := strings.Fields(line[strings.LastIndex(line, "}")+1:])
			value, err := strconv.ParseFloat(fields[0], 64)
			ms, _ := strconv.ParseInt(fields[1], 10, 64)
			return value, time.UnixMilli(ms), err
		}
	}
	return 0, time.Time{}, fmt.Errorf("no %s of %s", series, name)
}

// TestDockerRestartKeepsItsName restarts a container: its cgroup is a new one
// under the same path, and its log goes on in the same file.
func TestDockerRestartKeepsItsName(t *testing.T) {
	peers.RequireReal(t)
	docker := peers.StartDocker(t)
	docker.Run(t, "--name", "phoenix", docker.Image(t, "box"), "sh", "-c", "echo born $(cat /proc/uptime); sleep 3600")
	m := up(t, dataDir(t), dockerConfig(docker, "1s"))
	lines := func(want int) func() error {
		return func() error {
			var page logPage
			if err := m.api.json("/api/v1/logs?pod=phoenix&text=born", &page); err != nil {
				return err
			}
			if len(page.Entries) != want {
				return fmt.Errorf("%d lines, want %d", len(page.Entries), want)
			}
			return nil
		}
	}
	m.eventually("the first line is there", lines(1))
	for round := 2; round <= 4; round++ {
		docker.CLI(t, "restart", "-t", "0", "phoenix")
		m.eventually(fmt.Sprintf("the line of life %d is there", round), lines(round))
		m.eventually("it is sampled under its name", func() error {
			_, _, err := m.scrape("phoenix", "container_cpu_usage_seconds_total")
			return err
		})
	}
	docker.CLI(t, "rm", "-f", "phoenix")
	m.eventually("it is gone from the model", func() error {
		status, _, err := m.api.get("/api/v1/model/namespaces/docker/pods/phoenix/metrics/")
		if err == nil && status != 404 {
			err = fmt.Errorf("still there: %d", status)
		}
		return err
	})
	require.NoError(t, lines(4)(), "its lines stay")
}
