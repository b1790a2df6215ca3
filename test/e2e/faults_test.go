package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/collector/bench/lab"
	"github.com/lubberline/lubberline/collector/cgroup"
	"github.com/lubberline/lubberline/test/peers"
)

const (
	faultContainers = 10
	faultLineRate   = 2_000
	// mostMemory is what no fault may make the program need.
	mostMemory = 400 << 20
)

// TestFaultsLeaveTheRestAlone does everything to a running program that may
// happen to one, while good lines and samples flow: none of them is lost, and
// each fault is told of.
func TestFaultsLeaveTheRestAlone(t *testing.T) {
	peers.RequireReal(t)
	dir := dataDir(t)
	disk := smallDisk(t, filepath.Join(dir, "d"))
	logs := filepath.Join(dir, "logs")
	require.NoError(t, os.Mkdir(logs, 0o700))
	prefix := cgroups(t, faultContainers)
	m := up(t, dir, fmt.Sprintf("collector: {interval: 1s, logs: {containers: false, files: %s}}\n", lineFiles(logs)))
	begin := time.Now()
	lines := startLines(t, logs, fmt.Sprintf("fault%d", os.Getpid()), faultLineRate, 4)

	stop := churnCgroups(t)
	m.sendBadWrites()
	m.sendBadFrames("tcp", m.forward, "input")
	m.sendBadFrames("unix", filepath.Join(dir, "d", "run", "forward.sock"), "receiver")
	m.askWrongly()
	m.expectOwnRecords("remote write refused", "lubberline.remotewrite")
	m.expectOwnRecords("bad forward frame", "lubberline.forward")
	t.Logf("%d cgroups came and went", stop())
	m.alive()
	m.expectSmall()

	full := disk.whileFull(m.api, m.program, lines, "no space left", "spool=logs", "spool=metrics", "cannot spool samples")
	m.eventually("samples go on", func() error { return m.sampledAfter(prefix, faultContainers, full.to) })
	lines.finish(t)
	until := time.Now()
	t.Logf("%d lines in %s, disk full %s", lines.total(), until.Sub(begin), full)
	lines.expectOnce(m.api, begin)
	m.expectSamples(m.collector, prefix, faultContainers, begin.Add(5*time.Second), until, []outage{full})
	m.expectSmall()

	m.interrupt()
	m.start()
	lines.expectOnce(m.api, begin)
	again := outage{until, time.Now()}
	m.expectSamples(m.collector, prefix, faultContainers, begin.Add(5*time.Second), time.Now(), []outage{full, again})
}

// printed says which of the texts the program has not printed.
func (p *program) printed(texts ...string) error {
	out := p.out.String()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			return fmt.Errorf("%q was not printed", text)
		}
	}
	return nil
}

// churnCgroups makes and removes cgroups, as fast as it goes, until stopped: some
// vanish while they are read. The answer is how many there were.
func churnCgroups(t *testing.T) (stop func() int) {
	t.Helper()
	system, err := cgroup.New(cgroup.Options{})
	require.NoError(t, err)
	end, done, count := make(chan struct{}), make(chan error, 1), 0
	go func() {
		for {
			select {
			case <-end:
				done <- nil
				return
			default:
			}
			if err := comeAndGo(system.Hierarchies(), fmt.Sprintf("/lubberline-churn-%d-%d", os.Getpid(), count)); err != nil {
				done <- err
				return
			}
			count++
		}
	}()
	return func() int {
		close(end)
		require.NoError(t, <-done)
		return count
	}
}

func comeAndGo(h cgroup.Hierarchies, id string) error {
	g, err := lab.New(h, id)
	if err != nil {
		return err
	}
	_, err = g.Shell("exec sleep 0.02")
	return errors.Join(err, g.Remove())
}

// askWrongly makes requests that cannot be answered: each is refused by status,
// with a text that names what is wrong.
func (m *machine) askWrongly() {
	t := m.api.t
	for _, ask := range []struct {
		path   string
		status int
		text   string
	}{
		{"/api/v1/logs?limit=many", http.StatusBadRequest, "limit"},
		{"/api/v1/logs?regex=(", http.StatusBadRequest, "regex"},
		{"/api/v1/logs?start=yesterday", http.StatusBadRequest, "yesterday"},
		{"/api/v1/logs?cursor=x", http.StatusBadRequest, "cursor"},
		{"/api/v1/logs?frobnicate=1", http.StatusBadRequest, "frobnicate"},
		{"/api/v1/query?query=sum(", http.StatusBadRequest, "parse error"},
		{"/api/v1/query_range?query=up&start=1&end=2&step=0", http.StatusBadRequest, "step"},
		{"/api/v1/model/namespaces/none/pods/none/metrics/cpu/usage_rate", http.StatusNotFound, ""},
		{"/api/v1/model/nodes/none/metrics", http.StatusNotFound, ""},
		{"/api/v1/nothing", http.StatusNotFound, ""},
	} {
		status, body, err := m.get(ask.path)
		require.NoError(t, err)
		require.Equal(t, ask.status, status, "%s: %s", ask.path, body)
		require.Contains(t, string(body), ask.text, ask.path)
	}
	resp, err := http.Post(m.base+"/elastic/_msearch", "application/x-ndjson", strings.NewReader("{\n}{]\n"))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusBadRequest, resp.StatusCode, "/elastic/_msearch")
}

// expectOwnRecords finds what the program logged about itself in its own store.
func (m *machine) expectOwnRecords(text, tag string) {
	m.api.t.Helper()
	m.eventually("own log records are found", func() error {
		var page struct {
			Entries []struct {
				Message string `json:"message"`
				Tag     string `json:"tag"`
				Level   string `json:"level"`
			} `json:"entries"`
		}
		if err := m.json("/api/v1/logs?limit=100&text="+strings.ReplaceAll(text, " ", "+"), &page); err != nil {
			return err
		}
		for _, e := range page.Entries {
			if e.Tag == tag && e.Level == "warn" {
				return nil
			}
		}
		return fmt.Errorf("no warning %q with the tag %s among %d records", text, tag, len(page.Entries))
	})
}

func (a api) sampledAfter(prefix string, count int, after time.Time) error {
	found, err := a.matrix(cpuOf(prefix), after)
	if err == nil && len(found) != count {
		err = fmt.Errorf("%d of %d containers", len(found), count)
	}
	return err
}

// expectSmall wants the most memory that the program has ever had in bounds.
func (m *machine) expectSmall() {
	m.api.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.p.PID()))
	require.NoError(m.api.t, err)
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kib int
	_, err = fmt.Sscan(rest, &kib)
	require.NoError(m.api.t, err)
	m.api.t.Logf("most memory so far: %d MiB", kib>>10)
	require.Less(m.api.t, kib<<10, mostMemory)
}

// TestUnknownKeysAreNamed: a mistake in the file ends each program at once, with
// file, line and key.
func TestUnknownKeysAreNamed(t *testing.T) {
	peers.RequireReal(t)
	for _, c := range []struct{ name, command, text, want string }{
		{"lubberline", "up", "collector:\n  intervall: 1s\n", `line 2: unknown key "intervall"`},
		{"lubberline", "up", "aggregator:\n  logs:\n    retention: 24h\n    keep: 3\n", `line 4: unknown key "keep"`},
		{"lubberline", "aggregator", "\naggregatr: {}\n", `line 2: unknown key "aggregatr"`},
		{"lubberline", "doctor", "datadir: /x\n", `line 1: unknown key "datadir"`},
		{"lubberline-collector", "", "collector:\n  remote_write:\n    uri: http://x\n", `line 3: unknown key "uri"`},
		{"lubberline-collector", "", "collector:\n  interval: 1500ms\n", `collector: interval: 1.5s: want whole seconds`},
	} {
		file := filepath.Join(t.TempDir(), "lubberline.yaml")
		require.NoError(t, os.WriteFile(file, []byte(c.text), 0o600))
		args := append(strings.Fields(c.command), "--config", file)
		out, err := exec.Command(binary(t, c.name), args...).CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, "%s %s: %s", c.name, c.command, out)
		require.Equal(t, 1, exit.ExitCode(), "%s", out)
		require.Contains(t, string(out), file+": "+c.want)
	}
}
