package peers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// InfluxDB is a running InfluxDB of either generation, with authentication on.
// Start, Stop and Kill keep data and address.
type InfluxDB struct {
	server
	// URL is http://127.0.0.1:port.
	URL string
	// Username and Password are those of an administrator.
	Username, Password string
	// Org and Token are set for 2.x only; the token may do everything.
	Org, Token string
}

// InfluxDB1 starts InfluxDB 1.8.10 with Flux on. It holds no database yet.
func InfluxDB1(t testing.TB) *InfluxDB {
	t.Helper()
	db := newInfluxDB(t, InfluxDB18)
	rpc := mustPort(t)
	addr := mustAddr(t, db.URL)
	db.command = func() *exec.Cmd {
		cmd := exec.Command(mustCached(t, InfluxDB18), "run")
		cmd.Env = append(os.Environ(),
			"INFLUXDB_REPORTING_DISABLED=true",
			fmt.Sprintf("INFLUXDB_BIND_ADDRESS=127.0.0.1:%d", rpc),
			"INFLUXDB_META_DIR="+db.dir+"/meta",
			"INFLUXDB_DATA_DIR="+db.dir+"/data",
			"INFLUXDB_DATA_WAL_DIR="+db.dir+"/wal",
			"INFLUXDB_DATA_QUERY_LOG_ENABLED=false",
			"INFLUXDB_MONITOR_STORE_ENABLED=false",
			"INFLUXDB_HTTP_BIND_ADDRESS="+addr,
			"INFLUXDB_HTTP_FLUX_ENABLED=true",
			"INFLUXDB_HTTP_AUTH_ENABLED=true",
			"INFLUXDB_HTTP_LOG_ENABLED=false",
		)
		return cmd
	}
	db.ready = func() error { return answers(db.URL + "/ping") }
	db.Start(t)
	db.createAdmin(t)
	return db
}

// InfluxDB2 starts InfluxDB 2.7.11, set up with an organisation, a bucket named
// "first" and an all-access token.
func InfluxDB2(t testing.TB) *InfluxDB {
	t.Helper()
	db := newInfluxDB(t, InfluxDB27)
	addr := mustAddr(t, db.URL)
	db.command = func() *exec.Cmd {
		cmd := exec.Command(mustCached(t, InfluxDB27), "run",
			"--http-bind-address", addr, "--bolt-path", db.dir+"/influxd.bolt",
			"--sqlite-path", db.dir+"/influxd.sqlite", "--engine-path", db.dir+"/engine",
			"--reporting-disabled", "--log-level", "warn")
		cmd.Env = append(os.Environ(), "INFLUXD_CONFIG_PATH="+db.dir)
		return cmd
	}
	db.ready = func() error { return answers(db.URL + "/health") }
	db.Start(t)
	db.setup(t)
	return db
}

func newInfluxDB(t testing.TB, name Name) *InfluxDB {
	t.Helper()
	mustCached(t, name)
	db := &InfluxDB{
		server:   server{name: string(name), dir: t.TempDir()},
		URL:      fmt.Sprintf("http://127.0.0.1:%d", mustPort(t)),
		Username: "admin",
		Password: "lubberline",
	}
	t.Cleanup(db.Kill)
	return db
}

func (db *InfluxDB) createAdmin(t testing.TB) {
	t.Helper()
	form := url.Values{"q": {fmt.Sprintf("CREATE USER %s WITH PASSWORD '%s' WITH ALL PRIVILEGES", db.Username, db.Password)}}
	res, err := http.PostForm(db.URL+"/query", form)
	if err != nil {
		t.Fatalf("create the administrator of %s: %v", db.name, err)
	}
	requireOK(t, res)
}

func (db *InfluxDB) setup(t testing.TB) {
	t.Helper()
	db.Org, db.Token = "lubberline", "token-of-the-test"
	body, err := json.Marshal(map[string]any{
		"username": db.Username, "password": db.Password, "org": db.Org, "bucket": "first", "token": db.Token,
	})
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(db.URL+"/api/v2/setup", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatalf("set up %s: %v", db.name, err)
	}
	requireOK(t, res)
}

func requireOK(t testing.TB, res *http.Response) {
	t.Helper()
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s: %s", res.Request.Method, res.Request.URL, res.Status, body)
	}
}

func mustPort(t testing.TB) int {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func mustAddr(t testing.TB, base string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// mustCached is the path of a peer's program or folder in the cache.
func mustCached(t testing.TB, name Name) string {
	t.Helper()
	cache, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache, name.path())
	if !exists(path) {
		t.Fatal(notBuilt(name, path))
	}
	return path
}

// RequireInfluxDB2 skips the test, aloud, on a machine that has neither built
// InfluxDB 2.7 nor the cargo to build it with. With cargo, a missing build
// fails the test that starts it.
func RequireInfluxDB2(t testing.TB) {
	t.Helper()
	if Missing(InfluxDB27) == nil {
		return
	}
	if _, err := exec.LookPath("cargo"); err != nil {
		fmt.Fprintln(os.Stderr, "NOT TESTED: InfluxDB 2.x: no cargo on this machine to build it with")
		t.Skip("no cargo to build InfluxDB 2.7 with")
	}
}
