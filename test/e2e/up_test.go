package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
)

// machine is `lubberline up` on data of its own.
type machine struct {
	*program
	api
	collector api
	forward   string
	dataDir   string
	args      []string
}

// dataDir is short: the sockets below it may not have long paths.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "lb")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// up starts everything with the configuration given, on free addresses.
func up(t *testing.T, dir, configuration string) *machine {
	t.Helper()
	file := filepath.Join(dir, "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(configuration), 0o600))
	http, collector, forward := freeAddress(t), freeAddress(t), freeAddress(t)
	m := &machine{
		api: api{t, "http://" + http}, collector: api{t, "http://" + collector}, forward: forward, dataDir: dir,
		args: []string{"up", "--orchestrator=false", "--config", file, "--data-dir", filepath.Join(dir, "d"), "--http", http, "--collector-http", collector, "--forward", forward},
	}
	m.start()
	return m
}

// start runs the program, again after an interrupt, and waits until it is ready.
func (m *machine) start() {
	m.api.t.Helper()
	m.program = start(m.api.t, "lubberline", m.args...)
	m.api.ready(m.program)
	m.collector.ready(m.program)
}

func dockerConfig(d *peers.Docker, interval string) string {
	return fmt.Sprintf("collector:\n  interval: %s\n  runtimes: {docker: %q}\n", interval, d.Socket)
}

// fleet is ten containers: some busy, some that log, some idle.
func fleet(t *testing.T, d *peers.Docker) []string {
	t.Helper()
	image := d.Image(t, "box")
	scripts := map[string]string{
		"busy": "while :; do i=$((i+1)); done",
		"logs": "i=0; while :; do echo line $i of $HOSTNAME; i=$((i+1)); sleep 0.2; done",
		"idle": "sleep 3600",
	}
	var names []string
	for kind, count := range map[string]int{"busy": 2, "logs": 4, "idle": 4} {
		for i := range count {
			name := fmt.Sprintf("%s-%d", kind, i)
			d.Run(t, "--name", name, "--cpu-period", "100000", "--cpu-quota", "10000", "--memory", "64m", image, "sh", "-c", scripts[kind])
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestUpShowsEveryContainer(t *testing.T) {
	peers.RequireReal(t)
	docker := peers.StartDocker(t)
	names := fleet(t, docker)
	m := up(t, dataDir(t), dockerConfig(docker, "5s"))

	m.eventually("the model lists all ten containers", func() error { return m.expectPods(names) })
	m.eventually("the export names all ten containers", func() error { return m.expectExport(names) })
	m.eventually("figures of a busy container are right", m.expectBusy)
	m.expectLineSoon(docker)

	m.interrupt()
	first := time.Now()
	m.start()
	m.eventually("the containers are there again", func() error { return m.expectPods(names) })
	m.expectHistoryBefore(first)
}

func (m *machine) expectPods(names []string) error {
	var pods []string
	if err := m.api.json("/api/v1/model/namespaces/docker/pods/", &pods); err != nil {
		return err
	}
	if !slices.Equal(pods, names) {
		return fmt.Errorf("pods are %v", pods)
	}
	return nil
}

func (m *machine) expectExport(names []string) error {
	var export []struct {
		Metrics map[string]json.RawMessage `json:"metrics"`
		Labels  map[string]string          `json:"labels"`
	}
	if err := m.api.json("/api/v1/metric-export", &export); err != nil {
		return err
	}
	var found []string
	for _, object := range export {
		if object.Labels["namespace_name"] == "docker" && object.Labels["container_name"] == object.Labels["pod_name"] {
			found = append(found, object.Labels["pod_name"])
			for _, metric := range []string{"cpu/usage", "memory/usage", "memory/working_set", "uptime"} {
				if object.Metrics[metric] == nil {
					return fmt.Errorf("%s has no %s", object.Labels["pod_name"], metric)
				}
			}
		}
	}
	slices.Sort(found)
	if !slices.Equal(found, names) {
		return fmt.Errorf("exported are %v", found)
	}
	return nil
}

// expectBusy looks for a tenth of a core, which is what the quota leaves, and
// for the limit itself.
func (m *machine) expectBusy() error {
	rate, err := m.newest("/api/v1/model/namespaces/docker/pods/busy-0/metrics/cpu/usage_rate")
	if err != nil {
		return err
	}
	limit, err := m.newest("/api/v1/model/namespaces/docker/pods/busy-0/metrics/memory/limit")
	if err != nil {
		return err
	}
	if rate < 50 || rate > 150 || limit != 64<<20 {
		return fmt.Errorf("usage_rate %v, memory/limit %v", rate, limit)
	}
	return nil
}

// newest is the last point of a model series.
func (m *machine) newest(path string) (float64, error) {
	var series struct {
		Metrics []struct {
			Value float64 `json:"value"`
		} `json:"metrics"`
	}
	if err := m.api.json(path, &series); err != nil {
		return 0, err
	}
	if len(series.Metrics) == 0 {
		return 0, fmt.Errorf("%s is empty", path)
	}
	return series.Metrics[len(series.Metrics)-1].Value, nil
}

type logPage struct {
	Entries []struct {
		Time      time.Time `json:"time"`
		Message   string    `json:"message"`
		Pod       string    `json:"pod"`
		Namespace string    `json:"namespace"`
		Stream    string    `json:"stream"`
	} `json:"entries"`
}

// expectLineSoon prints a line of its own in a container and finds it.
func (m *machine) expectLineSoon(d *peers.Docker) {
	m.api.t.Helper()
	word := fmt.Sprintf("needle-%d", time.Now().UnixNano())
	d.Run(m.api.t, "--name", "speaker", d.Image(m.api.t, "box"), "sh", "-c", "sleep 12; while :; do echo "+word+" >&2; sleep 3600; done")
	var page logPage
	m.eventually("the line is found", func() error {
		if err := m.api.json("/api/v1/logs?text="+url.QueryEscape(word), &page); err != nil {
			return err
		}
		if len(page.Entries) != 1 {
			return fmt.Errorf("%d entries", len(page.Entries))
		}
		return nil
	})
	entry := page.Entries[0]
	m.api.t.Logf("the line was found %s after it was printed", time.Since(entry.Time).Round(time.Millisecond))
	require.Equal(m.api.t, word, entry.Message)
	require.Equal(m.api.t, []string{"docker", "speaker", "stderr"}, []string{entry.Namespace, entry.Pod, entry.Stream})
	d.CLI(m.api.t, "rm", "-f", "speaker")
}

// expectHistoryBefore finds samples and lines from before the restart.
func (m *machine) expectHistoryBefore(restart time.Time) {
	m.api.t.Helper()
	at := fmt.Sprintf("%d", restart.Add(-6*time.Second).Unix())
	var result struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	query := url.QueryEscape(`count(container_last_seen{namespace="docker",container!=""})`)
	require.NoError(m.api.t, m.api.json("/api/v1/query?time="+at+"&query="+query, &result))
	require.Len(m.api.t, result.Data.Result, 1)
	require.Contains(m.api.t, []any{"10", "11"}, result.Data.Result[0].Value[1])
	var page logPage
	end := url.QueryEscape(restart.Add(-2 * time.Second).Format(time.RFC3339))
	require.NoError(m.api.t, m.api.json("/api/v1/logs?pod=logs-0&end="+end, &page))
	require.NotEmpty(m.api.t, page.Entries)
}

func TestDoctorRuns(t *testing.T) {
	peers.RequireReal(t)
	p := start(t, "lubberline", "doctor", "--data-dir", dataDir(t))
	<-p.done
	for _, check := range []string{"kernel", "cgroups", "disk", "ports"} {
		require.Contains(t, p.out.String(), check)
	}
}
