package peers

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// Elasticsearch is a running Elasticsearch of one node, without security.
// Start, Stop and Kill keep data and address.
type Elasticsearch struct {
	server
	// URL is http://127.0.0.1:port.
	URL string
	// DataStreams says whether these artifacts know data streams.
	DataStreams bool
}

// ElasticsearchV8 starts Elasticsearch 8.15.3.
func ElasticsearchV8(t testing.TB) *Elasticsearch {
	t.Helper()
	es := startElasticsearch(t, Elasticsearch8, func(home string) []string {
		return []string{
			"-Des.path.home=" + home, "-Des.distribution.type=tar",
			"--module-path", filepath.Join(home, "lib"), "--add-modules=ALL-MODULE-PATH,jdk.net",
			"-cp", home,
		}
	})
	es.DataStreams = true
	return es
}

// ElasticsearchV7 starts Elasticsearch 7.17.28.
func ElasticsearchV7(t testing.TB) *Elasticsearch {
	t.Helper()
	return startElasticsearch(t, Elasticsearch7, func(home string) []string {
		return []string{
			"-Des.path.home=" + home, "-Des.distribution.type=tar",
			"-cp", filepath.Join(home, "lib", "*") + ":" + home,
		}
	})
}

func startElasticsearch(t testing.TB, name Name, layout func(home string) []string) *Elasticsearch {
	t.Helper()
	home := mustCached(t, name)
	port, transport := mustPort(t), mustPort(t)
	es := &Elasticsearch{
		server: server{name: string(name), dir: t.TempDir()},
		URL:    fmt.Sprintf("http://127.0.0.1:%d", port),
	}
	es.command = func() *exec.Cmd {
		args := []string{"-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.io.tmpdir=" + es.dir}
		args = append(args, layout(home)...)
		args = append(args, "Server", home, es.dir, strconv.Itoa(port), strconv.Itoa(transport))
		cmd := exec.Command("java", args...)
		cmd.Dir = es.dir
		return cmd
	}
	es.ready = func() error { return answers(es.URL + "/_cluster/health?wait_for_status=yellow&timeout=1s") }
	t.Cleanup(es.Kill)
	es.Start(t)
	return es
}
