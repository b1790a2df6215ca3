package compose

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
)

// TestTheStackSeesEveryContainer brings the real file up, runs one more
// container beside it, and finds each container of the engine in all three
// stores, asked through the data sources that Grafana is provisioned with.
func TestTheStackSeesEveryContainer(t *testing.T) {
	peers.RequireReal(t)
	s := newStack(t, "collector", "demo", "aggregator", "lubberline")
	image := s.docker.Image(t, "lubberline.test/busybox:1")
	s.docker.Run(t, "--name", "talker", "--stop-timeout", "1", image, "sh", "-c", "while :; do echo hello from the talker; sleep 1; done")
	s.compose("up", "-d", "--no-build")
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.compose("ps", "-a"), s.compose("logs", "--no-color", "--tail", "20"))
		}
	})
	s.requireHealthy()

	running := s.containers()
	require.Len(t, running, 8)
	for name, id := range running {
		s.eventually("the aggregator has "+name, func() error {
			series, err := s.query(fmt.Sprintf(`container_memory_working_set_bytes{id="/docker/%s",name="%s",image!=""}`, id, name))
			return orMissing(len(series), err)
		})
	}
	for name := range running {
		s.eventually("InfluxDB has "+name, func() error {
			csv, err := s.flux(fmt.Sprintf(`from(bucket: "k8s") |> range(start: -10m)
				|> filter(fn: (r) => r._measurement == "memory/working_set" and r.type == "pod_container" and r.pod_name == %q) |> last()`, name))
			return orMissing(strings.Count(csv, name), err)
		})
		s.eventually("Elasticsearch has "+name, func() error {
			hits, err := s.hits("heapster-*", fmt.Sprintf(`MetricsTags.pod_name:%q`, name))
			return orMissing(hits, err)
		})
	}
	for _, line := range []string{"hello from the talker", "the shop is open", "customers were served"} {
		s.eventually("Elasticsearch has the line "+line, func() error {
			hits, err := s.hits("logs-lubberline-default", fmt.Sprintf("log:%q", line))
			return orMissing(hits, err)
		})
	}
	s.requireGrafana()
	s.requireClosed()
	s.requirePods()
}

func orMissing(n int, err error) error {
	if err == nil && n == 0 {
		return fmt.Errorf("nothing")
	}
	return err
}

func (s *stack) eventually(what string, f func() error) {
	s.t.Helper()
	var err error
	if !waitFor(func() bool { err = f(); return err == nil }) {
		require.NoError(s.t, err, what)
	}
}

// containers are those that run, by name.
func (s *stack) containers() map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(s.docker.CLI(s.t, "ps", "--no-trunc", "--format", "{{.Names}} {{.ID}}")) {
		name, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		all[name] = id
	}
	return all
}

// requireHealthy waits for every health check of the file.
func (s *stack) requireHealthy() {
	s.t.Helper()
	s.eventually("all containers are healthy", func() error {
		out := s.docker.CLI(s.t, "ps", "-a", "--format", "{{.Names}} {{.Status}}")
		for line := range strings.Lines(out) {
			if strings.Contains(line, "starting)") || strings.Contains(line, "unhealthy") || strings.Contains(line, "Restarting") {
				return fmt.Errorf("%s", line)
			}
		}
		return nil
	})
}

// requirePods adds the node that runs pods, and finds a pod of it where all else
// is.
func (s *stack) requirePods() {
	t := s.t
	s.compose("--profile", "orchestrator", "up", "-d", "--no-build", "orchestrator")
	lubberline := func(args ...string) (string, error) {
		cmd := exec.Command("docker", append([]string{"exec", project + "-orchestrator-1", "lubberline"}, args...)...)
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+s.docker.Host())
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("lubberline %v: %w: %s", args, err, out)
		}
		return string(out), err
	}
	s.eventually("the node is ready", func() error {
		_, err := lubberline("kubectl", "wait", "--for=condition=Ready", "node/lubberline", "--timeout=1s")
		return err
	})
	_, err := lubberline("images", "build-busybox")
	require.NoError(t, err)
	_, err = lubberline("kubectl", "run", "hello", "--image", "busybox:1", "--", "sh", "-c", "while :; do echo hello from the pod; sleep 1; done")
	require.NoError(t, err)
	s.eventually("the aggregator has the pod", func() error {
		series, err := s.query(`container_memory_working_set_bytes{namespace="default",pod="hello",container="hello",node="lubberline"}`)
		return orMissing(len(series), err)
	})
	s.eventually("Elasticsearch has the pod's lines", func() error {
		hits, err := s.hits("logs-lubberline-default", `log:"hello from the pod"`)
		return orMissing(hits, err)
	})
}

// requireGrafana finds that all of the provisioning was understood, and that the
// first page is a dashboard of ours.
func (s *stack) requireGrafana() {
	var home struct{ UID, Title string }
	s.api("dashboards/home", &home)
	require.Equal(s.t, "Cluster", home.Title)
	var dashboards []struct{ UID string }
	s.api("search", &dashboards)
	require.Greater(s.t, len(dashboards), 5)
	var sources []struct{ UID string }
	s.api("datasources", &sources)
	require.Len(s.t, sources, 4)
	text, err := s.ask(http.MethodGet, "lubberline-logs", "_cluster/health", "", "")
	require.NoError(s.t, err)
	require.True(s.t, json.Valid([]byte(text)))
}

// requireClosed finds the aggregator closed to who has no token, the stores
// unpublished, and our programs without root's powers.
func (s *stack) requireClosed() {
	t := s.t
	_, err := s.get(s.direct(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/api/v1/query?query=up", s.port), "", "")
	require.ErrorContains(t, err, "401 Unauthorized")
	ports := s.docker.CLI(t, "ps", "--format", "{{.Names}} {{.Ports}}")
	require.NotContains(t, ports, "0.0.0.0")
	require.NotContains(t, ports, "8086->")
	require.NotContains(t, ports, "9200->")
	for _, name := range []string{"aggregator", "shop", "customers"} {
		require.Equal(t, "65532:65532", s.docker.CLI(t, "inspect", "-f", "{{.Config.User}}", project+"-"+name+"-1"))
	}
	require.Less(t, imageBytes(t, s.docker, "collector"), 30<<20)
	t.Logf("images: collector %d, demo %d, aggregator %d bytes", imageBytes(t, s.docker, "collector"), imageBytes(t, s.docker, "demo"), imageBytes(t, s.docker, "aggregator"))
}

func imageBytes(t *testing.T, d *peers.Docker, target string) (n int) {
	text := d.CLI(t, "image", "inspect", "-f", "{{.Size}}", imagesPrefix+"/"+target+":"+imagesVersion)
	_, err := fmt.Sscan(text, &n)
	require.NoError(t, err)
	return n
}
