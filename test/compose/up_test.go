package compose

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/test/peers"
)

const (
	waitLong = 90 * time.Second
	poll     = 250 * time.Millisecond
	project  = "lbstack"
)

// stack is the compose file brought up on an engine of the test's own.
type stack struct {
	t       *testing.T
	docker  *peers.Docker
	by      generation
	env     []string
	files   []string
	port    int // the aggregator's
	grafana int
}

// newStack makes all images and brings nothing up yet.
func newStack(t *testing.T, targets ...string) *stack {
	s := &stack{t: t, docker: peers.StartDocker(t), by: generations(t)[0], port: freePort(t), grafana: freePort(t)}
	buildImages(t, s.docker, targets...)
	standIns(t, s.docker)
	override := filepath.Join(t.TempDir(), "override.yml")
	require.NoError(t, os.WriteFile(override, []byte(s.override()), 0o644))
	s.files = []string{"-f", filepath.Join(repository(t), "docker-compose.yml"), "-f", override, "-p", project}
	s.env = []string{
		"DOCKER_HOST=" + s.docker.Host(), "LUBBERLINE_IMAGES=" + imagesPrefix, "LUBBERLINE_VERSION=" + imagesVersion,
		"INFLUXDB_IMAGE=" + influxImage, "ELASTICSEARCH_IMAGE=" + elasticImage, "GRAFANA_IMAGE=" + grafanaImage,
		fmt.Sprintf("LUBBERLINE_PORT=%d", s.port), fmt.Sprintf("GRAFANA_PORT=%d", s.grafana),
	}
	t.Cleanup(func() { s.compose("--profile", "orchestrator", "down", "-v", "-t", "2", "--remove-orphans") })
	return s
}

// override lends this machine's Java to the stand-in for Elasticsearch, and tells
// the collector where this engine's socket is; all else is as the files have it.
func (s *stack) override() string {
	var volumes strings.Builder
	home := peers.Program(s.t, peers.Elasticsearch8)
	for _, dir := range [][2]string{{home, "/es"}, {"/usr/lib", "/usr/lib"}, {"/lib64", "/lib64"}, {"/lib", "/lib"}, {"/etc/java-17-openjdk", "/etc/java-17-openjdk"}} {
		fmt.Fprintf(&volumes, "      - %s:%s:ro\n", dir[0], dir[1])
	}
	text, err := os.ReadFile(filepath.Join(repository(s.t), "deploy/compose/collector.yaml"))
	require.NoError(s.t, err)
	config := filepath.Join(s.t.TempDir(), "collector.yaml")
	sockets := fmt.Sprintf("collector:\n  runtimes: {docker: %s, podman: \"\", containerd: \"\", crio: \"\"}\n", s.docker.Socket)
	require.NoError(s.t, os.WriteFile(config, []byte(strings.Replace(string(text), "collector:\n", sockets, 1)), 0o644))
	return `services:
  collector:
    volumes: ["` + config + `:/etc/lubberline/collector.yaml:ro"]
` + orchestratorOverride() + `  elasticsearch:
    environment: {PATH: "/usr/lib/jvm/java-17-openjdk-amd64/bin:/bin"}
    volumes:
` + volumes.String()
}

// orchestratorOverride is for machines whose root lacks powers, as sandboxes
// are: there a privileged container cannot be made, and gets what there is, one by
// one.
func orchestratorOverride() string {
	lacking := lackingCapabilities()
	if len(lacking) == 0 {
		return ""
	}
	return `  orchestrator:
    privileged: false
    cap_add: [ALL]
    cap_drop: [` + strings.Join(lacking, ", ") + `]
    security_opt: ["seccomp:unconfined", "apparmor:unconfined", "systempaths=unconfined"]
    device_cgroup_rules: ["a *:* rwm"]
    volumes: ["/sys/fs/cgroup:/sys/fs/cgroup:rw", "/dev:/dev"]
`
}

// lackingCapabilities are those of a privileged container that this process does
// not have.
func lackingCapabilities() (names []string) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return nil
	}
	for bit, name := range map[int]string{unix.CAP_SYS_RESOURCE: "SYS_RESOURCE", unix.CAP_SYS_ADMIN: "SYS_ADMIN", unix.CAP_NET_ADMIN: "NET_ADMIN", unix.CAP_SYS_MODULE: "SYS_MODULE"} {
		if data[bit/32].Effective&(1<<(bit%32)) == 0 {
			names = append(names, name)
		}
	}
	return names
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (s *stack) compose(args ...string) string {
	s.t.Helper()
	return s.by.run(s.t, s.env, append(s.files, args...)...)
}

// credential is a file of the volume that the first start filled.
func (s *stack) credential(name string) []byte {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.docker.DataRoot, "volumes", project+"_credentials", "_data", name))
	require.NoError(s.t, err)
	return text
}

// ask sends a request to a data source through Grafana, which adds addresses,
// tokens and certificates from what it is provisioned with.
func (s *stack) ask(method, source, path, contentType, body string) (string, error) {
	u := fmt.Sprintf("http://127.0.0.1:%d/api/datasources/proxy/uid/%s/%s", s.grafana, source, path)
	return s.get(http.DefaultClient, method, u, contentType, body)
}

// api is a GET of Grafana's own API.
func (s *stack) api(path string, into any) {
	s.t.Helper()
	text, err := s.get(http.DefaultClient, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/api/%s", s.grafana, path), "", "")
	require.NoError(s.t, err)
	require.NoError(s.t, json.Unmarshal([]byte(text), into))
}

func (s *stack) get(client *http.Client, method, u, contentType, body string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, u, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	res, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", u, res.Status, text)
	}
	return string(text), err
}

// query asks the aggregator for series, through Grafana.
func (s *stack) query(promQL string) (series []map[string]string, err error) {
	text, err := s.ask(http.MethodGet, "lubberline", "api/v1/query?query="+url.QueryEscape(promQL), "", "")
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			Result []struct{ Metric map[string]string }
		}
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return nil, err
	}
	for _, r := range answer.Data.Result {
		series = append(series, r.Metric)
	}
	return series, nil
}

// flux asks InfluxDB, through Grafana; the answer is CSV.
func (s *stack) flux(query string) (string, error) {
	return s.ask(http.MethodPost, "lubberline-flux", "api/v2/query?org=lubberline", "application/vnd.flux", query)
}

// hits is how many documents Elasticsearch finds, through Grafana.
func (s *stack) hits(index, query string) (int, error) {
	text, err := s.ask(http.MethodGet, "lubberline-elasticsearch", index+"/_count?q="+url.QueryEscape(query), "", "")
	if err != nil {
		return 0, err
	}
	var answer struct{ Count int }
	err = json.Unmarshal([]byte(text), &answer)
	return answer.Count, err
}

// direct is a client of the aggregator's published port.
func (s *stack) direct() *http.Client {
	roots := x509.NewCertPool()
	require.True(s.t, roots.AppendCertsFromPEM(s.credential("ca.crt")))
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
}

// waitFor says whether the condition came true in time.
func waitFor(condition func() bool) bool {
	for end := time.Now().Add(waitLong); time.Now().Before(end); time.Sleep(poll) {
		if condition() {
			return true
		}
	}
	return false
}
