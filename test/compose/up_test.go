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
		"DOCKER_SOCKET=" + s.docker.Socket,
	}
	if !shared("/") {
		s.env = append(s.env, "LUBBERLINE_HOST_PROPAGATION=rprivate")
	}
	t.Cleanup(func() { s.compose("down", "-v", "-t", "2", "--remove-orphans") })
	return s
}

// override lends this machine's Java to the stand-in for Elasticsearch.
func (s *stack) override() string {
	home := peers.Program(s.t, peers.Elasticsearch8)
	var b strings.Builder
	b.WriteString("services:\n  elasticsearch:\n    environment: {PATH: \"/usr/lib/jvm/java-17-openjdk-amd64/bin:/bin\"}\n    volumes:\n")
	for _, dir := range [][2]string{{home, "/es"}, {"/usr/lib", "/usr/lib"}, {"/lib64", "/lib64"}, {"/lib", "/lib"}, {"/etc/java-17-openjdk", "/etc/java-17-openjdk"}} {
		fmt.Fprintf(&b, "      - %s:%s:ro\n", dir[0], dir[1])
	}
	return b.String()
}

// shared says whether mounts below a mount point can be propagated.
func shared(point string) bool {
	text, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 6 && f[4] == point {
			return strings.HasPrefix(f[6], "shared:") || strings.HasPrefix(f[6], "master:")
		}
	}
	return false
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

// query asks the aggregator, as a person of this machine does.
func (s *stack) query(promQL string) (series []map[string]string, err error) {
	roots := x509.NewCertPool()
	require.True(s.t, roots.AppendCertsFromPEM(s.credential("ca.crt")))
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	u := fmt.Sprintf("https://127.0.0.1:%d/api/v1/query?query=%s", s.port, url.QueryEscape(promQL))
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+string(s.credential("token")))
	res, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s %w", res.Status, text, err)
	}
	var answer struct {
		Data struct {
			Result []struct{ Metric map[string]string }
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	for _, r := range answer.Data.Result {
		series = append(series, r.Metric)
	}
	return series, nil
}
