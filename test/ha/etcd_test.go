package ha

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/lubberline/lubberline/orchestrator/pki"
	"github.com/lubberline/lubberline/test/lab"
)

// memberVariable makes the test's own program a member of an etcd cluster;
// certificatesVariable is where its certificates are.
const (
	memberVariable       = "LUBBERLINE_TEST_ETCD"
	certificatesVariable = "LUBBERLINE_TEST_ETCD_CERTIFICATES"
)

func TestMain(m *testing.M) {
	if number := os.Getenv(memberVariable); number != "" {
		if err := beMember(number); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const members = 3

func clientURL(i int) string     { return "https://" + clientAddress(i) }
func clientAddress(i int) string { return fmt.Sprintf("%s:%d", lab.HubAddress(1), 2379+10*i) }

func peerURL(i int) string { return fmt.Sprintf("http://%s:%d", lab.HubAddress(1), 2380+10*i) }

func endpoints() string {
	var all []string
	for i := range members {
		all = append(all, clientURL(i))
	}
	return strings.Join(all, ", ")
}

// beMember serves until the process ends; the working directory has the data.
func beMember(number string) error {
	var n int
	if _, err := fmt.Sscan(number, &n); err != nil {
		return err
	}
	parsed := func(text string) []url.URL {
		u, err := url.Parse(text)
		if err != nil {
			panic(err)
		}
		return []url.URL{*u}
	}
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir, cfg.LogLevel = "m"+number, "data", "error"
	cfg.ClientTLSInfo = certificates(os.Getenv(certificatesVariable))
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = parsed(clientURL(n)), parsed(clientURL(n))
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = parsed(peerURL(n)), parsed(peerURL(n))
	var initial []string
	for i := range members {
		initial = append(initial, fmt.Sprintf("m%d=%s", i, peerURL(i)))
	}
	cfg.InitialCluster = strings.Join(initial, ",")
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	return <-e.Err()
}

// certificates are those in a folder. Members and clients show the same.
func certificates(dir string) transport.TLSInfo {
	return transport.TLSInfo{
		TrustedCAFile: filepath.Join(dir, "ca.crt"), CertFile: filepath.Join(dir, "etcd.crt"), KeyFile: filepath.Join(dir, "etcd.key"),
		ClientCertAuth: true,
	}
}

// etcd is a cluster of several processes on the hub, which speaks with those who
// show a certificate.
type etcd struct {
	t       *testing.T
	hub     *lab.Hub
	dir     string
	tls     transport.TLSInfo
	running [members]*exec.Cmd
}

// newEtcd makes the certificates.
func newEtcd(t *testing.T) *etcd {
	t.Helper()
	e := &etcd{t: t, dir: t.TempDir()}
	authority, err := pki.Open(pki.Options{Dir: e.certificates(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	_, err = authority.Pair(pki.Request{Name: "etcd", User: "etcd", Hosts: []string{lab.HubAddress(1)}})
	require.NoError(t, err)
	e.tls = certificates(e.certificates())
	return e
}

func (e *etcd) startOn(hub *lab.Hub) {
	e.t.Helper()
	e.hub = hub
	e.t.Cleanup(func() {
		for i := range members {
			e.kill(i)
		}
	})
	for i := range members {
		e.start(i)
	}
	e.answers()
}

func (e *etcd) certificates() string { return filepath.Join(e.dir, "certificates") }

// configuration is the part of a control host's configuration.
func (e *etcd) configuration(secret string) string {
	return fmt.Sprintf("  etcd: {endpoints: [%s], ca_file: %s, cert_file: %s, key_file: %s, secret_file: %s}\n",
		endpoints(), e.tls.TrustedCAFile, e.tls.CertFile, e.tls.KeyFile, secret)
}

func (e *etcd) start(i int) {
	e.t.Helper()
	dir := filepath.Join(e.dir, fmt.Sprint(i))
	require.NoError(e.t, os.MkdirAll(dir, 0o700))
	own, err := os.Executable()
	require.NoError(e.t, err)
	cmd := exec.Command(own)
	cmd.Dir, cmd.Env, cmd.Stderr = dir, append(os.Environ(), fmt.Sprintf("%s=%d", memberVariable, i), certificatesVariable+"="+e.certificates()), os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(e.t, e.hub.Do(cmd.Start))
	e.running[i] = cmd
}

// kill ends a member as a power cut would.
func (e *etcd) kill(i int) {
	if cmd := e.running[i]; cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		e.running[i] = nil
	}
}

// answers waits until the cluster has a leader.
func (e *etcd) answers() {
	e.t.Helper()
	require.NoError(e.t, lab.Until(func() error { return e.hub.Do(e.health) }))
}

// health asks a member. It dials on its own thread, which is the one that is in
// the hub's namespace.
func (e *etcd) health() error {
	plain, err := net.DialTimeout("tcp", clientAddress(0), time.Second)
	if err != nil {
		return err
	}
	defer plain.Close()
	config, err := e.tls.ClientConfig()
	if err != nil {
		return err
	}
	config.ServerName = lab.HubAddress(1)
	conn := tls.Client(plain, config)
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "GET /health HTTP/1.0\r\n\r\n"); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd: %s", answer.Status)
	}
	return nil
}
