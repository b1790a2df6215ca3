package server

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// node is a pod with its container, and the runtime of both.
type node struct {
	pod     *corev1.Pod
	running atomic.Bool
	log     string
	stream  string // where the runtime streams
	exec    *runtimeapi.ExecRequest
	forward *runtimeapi.PortForwardRequest
	err     error
}

func (n *node) Pods() []*corev1.Pod { return []*corev1.Pod{n.pod} }

func (n *node) Pod(namespace, name string) (*corev1.Pod, bool) {
	return n.pod, namespace == "ns" && name == "p"
}

func (n *node) ContainerID(_ types.UID, container string) (string, bool) {
	return "x", container == "c" && n.running.Load()
}

func (n *node) SandboxID(types.UID) (string, bool) { return "box", n.running.Load() }

func (n *node) ContainerStatus(_ context.Context, in *runtimeapi.ContainerStatusRequest, _ ...grpc.CallOption) (*runtimeapi.ContainerStatusResponse, error) {
	s := runtimeapi.ContainerState_CONTAINER_EXITED
	if n.running.Load() {
		s = runtimeapi.ContainerState_CONTAINER_RUNNING
	}
	return &runtimeapi.ContainerStatusResponse{Status: &runtimeapi.ContainerStatus{Id: in.ContainerId, LogPath: n.log, State: s}}, nil
}

func (n *node) Exec(_ context.Context, in *runtimeapi.ExecRequest, _ ...grpc.CallOption) (*runtimeapi.ExecResponse, error) {
	n.exec = in
	return &runtimeapi.ExecResponse{Url: n.stream + "/exec/token"}, n.err
}

func (n *node) Attach(context.Context, *runtimeapi.AttachRequest, ...grpc.CallOption) (*runtimeapi.AttachResponse, error) {
	return &runtimeapi.AttachResponse{Url: n.stream + "/attach/token"}, n.err
}

func (n *node) PortForward(_ context.Context, in *runtimeapi.PortForwardRequest, _ ...grpc.CallOption) (*runtimeapi.PortForwardResponse, error) {
	n.forward = in
	return &runtimeapi.PortForwardResponse{Url: n.stream + "/portforward/token"}, n.err
}

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{cert, key}
}

func (a *authority) issue(t *testing.T, usage x509.ExtKeyUsage, name string, groups ...string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name, Organization: groups}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{usage}, DNSNames: []string{"node"}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

type rig struct {
	*node
	ca      *authority
	address string
	reviews atomic.Int32 // questions to the API server
	serving atomic.Pointer[tls.Certificate]
	healthy error
	stop    context.CancelFunc
}

func newRig(t *testing.T) *rig {
	r := &rig{ca: newAuthority(t), node: &node{pod: pod(), log: filepath.Join(t.TempDir(), "0.log")}}
	r.running.Store(true)
	r.serving.Store(new(r.ca.issue(t, x509.ExtKeyUsageServerAuth, "node")))
	client := fake.NewClientset()
	client.PrependReactor("create", "tokenreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		r.reviews.Add(1)
		review := a.(clienttesting.CreateAction).GetObject().(*authenticationv1.TokenReview)
		if name, ok := strings.CutPrefix(review.Spec.Token, "token-of-"); ok {
			review.Status = authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{Username: name}}
		}
		return true, review, nil
	})
	client.PrependReactor("create", "subjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		r.reviews.Add(1)
		review := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SubjectAccessReview)
		at := review.Spec.ResourceAttributes
		review.Status.Allowed = review.Spec.User == "scraper" && at.Verb == "get" && at.Resource == "nodes" && at.Name == "node" && at.Subresource == "metrics" ||
			review.Spec.User == "reader" && at.Subresource == "pods"
		return true, review, nil
	})
	s, err := New(Options{
		Address: "127.0.0.1:0", NodeName: "node", Client: client, Pods: r.node, Runtime: r.node,
		Certificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return r.serving.Load(), nil },
		ClientCAs:   r.ca.pool,
		Handlers: map[string]http.Handler{"/metrics/cadvisor": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "samples")
		})},
		Healthy: map[string]func() error{"runtime": func() error { return r.healthy }},
	})
	require.NoError(t, err)
	r.address = s.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	return r
}

func pod() *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", UID: "u1"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c"}}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "c", ContainerID: "containerd://x",
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}}}
}

func (r *rig) tls(certs ...tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: r.ca.pool(), ServerName: "node", Certificates: certs}
}

func (r *rig) admin(t *testing.T) *tls.Config {
	return r.tls(r.ca.issue(t, x509.ExtKeyUsageClientAuth, "kube-apiserver-kubelet-client", "system:masters"))
}

// get asks with a configuration of TLS and perhaps a bearer token.
func (r *rig) get(t *testing.T, c *tls.Config, token, path string) (code int, body string) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+r.address+path, nil)
	require.NoError(t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, strings.TrimSpace(string(b))
}

func TestWhoMayWhat(t *testing.T) {
	r := newRig(t)
	f := func(c *tls.Config, token, path string, code int, body string) {
		t.Helper()
		gotCode, got := r.get(t, c, token, path)
		require.Equal(t, code, gotCode, got)
		require.Contains(t, got, body)
	}
	f(r.tls(), "", "/healthz", 401, "unauthorized")
	f(r.tls(), "wrong", "/healthz", 401, "unauthorized")
	f(r.tls(newAuthority(t).issue(t, x509.ExtKeyUsageClientAuth, "root", "system:masters")), "", "/healthz", 401, "unauthorized")
	r.reviews.Store(0)
	f(r.admin(t), "", "/healthz", 200, "ok")
	require.Zero(t, r.reviews.Load(), "administrators need no API server")
	f(r.tls(), "token-of-scraper", "/metrics/cadvisor", 200, "samples")
	asked := r.reviews.Load()
	f(r.tls(), "token-of-scraper", "/metrics/cadvisor", 200, "samples")
	require.Equal(t, asked, r.reviews.Load(), "the answers are remembered")
	f(r.tls(), "token-of-scraper", "/pods", 403, "Forbidden (user=scraper, verb=get, resource=nodes, subresource(s)=[pods proxy])")
	f(r.tls(), "token-of-reader", "/pods", 200, "PodList")
	f(r.tls(r.ca.issue(t, x509.ExtKeyUsageClientAuth, "scraper")), "", "/metrics/cadvisor", 200, "samples")
	f(r.admin(t), "", "/logs/x", 405, "logs endpoint is disabled.")
	f(r.admin(t), "", "/nothing", 404, "")
}

func TestCertificateIsReplacedWithoutARestart(t *testing.T) {
	r := newRig(t)
	other := newAuthority(t)
	r.serving.Store(new(other.issue(t, x509.ExtKeyUsageServerAuth, "node")))
	c := r.admin(t)
	c.RootCAs = other.pool()
	code, _ := r.get(t, c, "", "/healthz")
	require.Equal(t, 200, code)
}

func TestPodsAndHealth(t *testing.T) {
	r := newRig(t)
	var list corev1.PodList
	for path, want := range map[string]int{"/pods": 1, "/runningpods/": 1} {
		_, body := r.get(t, r.admin(t), "", path)
		require.NoError(t, json.Unmarshal([]byte(body), &list))
		require.Len(t, list.Items, want)
		require.Equal(t, "PodList", list.Kind)
	}
	r.running.Store(false)
	_, body := r.get(t, r.admin(t), "", "/runningpods/")
	require.NoError(t, json.Unmarshal([]byte(body), &list))
	require.Empty(t, list.Items)

	r.healthy = errors.New("away")
	code, body := r.get(t, r.admin(t), "", "/healthz")
	require.Equal(t, 500, code)
	require.Contains(t, body, "[-]runtime failed: away")
	code, _ = r.get(t, r.admin(t), "", "/healthz/ping")
	require.Equal(t, 200, code)
}

func TestLogs(t *testing.T) {
	r := newRig(t)
	require.NoError(t, os.WriteFile(r.log, []byte("2026-01-01T00:00:01Z stdout F one\n2026-01-01T00:00:02Z stderr F two\n"), 0o600))
	f := func(query string, code int, want string) {
		t.Helper()
		gotCode, got := r.get(t, r.admin(t), "", "/containerLogs/ns/p/c?"+query)
		require.Equal(t, code, gotCode)
		require.Contains(t, got, want)
		if code == 200 {
			require.Equal(t, want, got)
		}
	}
	f("", 200, "one\ntwo")
	f("tailLines=1", 200, "two")
	f("tail=all", 200, "one\ntwo")
	f("stream=Stdout", 200, "one")
	f("stream=Stderr&timestamps=true", 200, "2026-01-01T00:00:02.000000000Z two")
	f("sinceTime=2026-01-01T00:00:02Z", 200, "two")
	f("sinceSeconds=10", 200, "")
	f("limitBytes=2", 200, "on")
	f("tailLines=-1", 422, "Invalid request.")
	f("sinceSeconds=1&sinceTime=2026-01-01T00:00:02Z", 422, "Invalid request.")
	f("stream=Odd", 422, "Invalid request.")
	f("tailLines=x", 400, "Unable to decode query.")
	f("previous=true", 400, `previous terminated container "c" in pod "p" not found`)

	code, body := r.get(t, r.admin(t), "", "/containerLogs/ns/none/c")
	require.Equal(t, []any{404, `pod "none" does not exist`}, []any{code, body})
	code, body = r.get(t, r.admin(t), "", "/containerLogs/ns/p/none")
	require.Equal(t, []any{404, `container "none" not found in pod "p"`}, []any{code, body})
	r.log = "/nowhere"
	f("", 400, "failed to open log file")
}

func TestWhichLog(t *testing.T) {
	p := pod()
	s := &p.Status.ContainerStatuses[0]
	f := func(previous bool, id, want string) {
		t.Helper()
		got, err := logOf(p, "c", previous)
		require.Equal(t, id, got)
		if want != "" {
			require.EqualError(t, err, want)
		}
	}
	f(false, "x", "")
	s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ContainerID: "containerd://old"}
	f(true, "old", "")
	s.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	f(false, "old", "")
	s.LastTerminationState.Terminated = nil
	f(false, "", `container "c" in pod "p" is waiting to start: CrashLoopBackOff`)
	s.State.Waiting.Reason = "ImagePullBackOff"
	f(false, "", `container "c" in pod "p" is waiting to start: trying and failing to pull image`)
	s.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}
	f(false, "", `container "c" in pod "p" is terminated`)
	s.State.Terminated.ContainerID = "containerd://y"
	f(false, "y", "")
	p.Status.ContainerStatuses = nil
	f(false, "", `container "c" in pod "p" is not available`)
}

func TestLogsAreFollowed(t *testing.T) {
	r := newRig(t)
	require.NoError(t, os.WriteFile(r.log, nil, 0o600))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+r.address+"/containerLogs/ns/p/c?follow=true", nil)
	require.NoError(t, err)
	resp, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: r.admin(t), DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err, "the head comes before the first line")
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for i := range 3 {
		f, err := os.OpenFile(r.log, os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		fmt.Fprintf(f, "2026-01-01T00:00:01Z stdout F %d\n", i)
		if i == 2 {
			r.running.Store(false)
		}
		require.NoError(t, f.Close())
		require.True(t, lines.Scan())
		require.Equal(t, fmt.Sprint(i), lines.Text())
	}
	require.False(t, lines.Scan(), "the container has ended")
}

// echo is a runtime's server of streams: it says what it was asked for and
// then echoes.
func echo(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n%s\n", r.Header.Get("Upgrade"), r.URL.Path)
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		fmt.Fprint(rw, "echo "+line)
		_ = rw.Flush()
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// upgrade asks for a stream and returns the answer's status and, of an
// upgraded one, the first line and the echo.
func (r *rig) upgrade(t *testing.T, protocol, path string) (code int, lines []string) {
	t.Helper()
	conn, err := tls.Dial("tcp", r.address, r.admin(t))
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: node\r\nConnection: Upgrade\r\nUpgrade: %s\r\nContent-Length: 0\r\n\r\n", path, protocol)
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, []string{strings.TrimSpace(string(b))}
	}
	fmt.Fprint(conn, "hello\n")
	for range 2 {
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		lines = append(lines, strings.TrimSpace(line))
	}
	return resp.StatusCode, lines
}

func TestStreams(t *testing.T) {
	r := newRig(t)
	r.stream = echo(t)
	f := func(protocol, path, want string) {
		t.Helper()
		code, lines := r.upgrade(t, protocol, path)
		require.Equal(t, 101, code, "%v", lines)
		require.Equal(t, []string{want, "echo hello"}, lines)
	}
	f("SPDY/3.1", "/exec/ns/p/c?command=sh&command=-c&input=1&output=1&error=1&tty=1", "/exec/token")
	require.Equal(t, []string{"sh", "-c"}, r.exec.Cmd)
	require.True(t, r.exec.Tty && r.exec.Stdin && r.exec.Stdout && !r.exec.Stderr)
	f("websocket", "/exec/ns/p/u1/c?command=ls&stdout=true", "/exec/token")
	f("SPDY/3.1", "/attach/ns/p/c?output=1", "/attach/token")
	f("SPDY/3.1", "/portForward/ns/p", "/portforward/token")
	f("websocket", "/portForward/ns/p/u1?port=80&port=443", "/portforward/token")
	require.Equal(t, []int32{80, 443}, r.forward.Port)
	require.Equal(t, "box", r.forward.PodSandboxId)
}

func TestStreamsAreCutAtTheEnd(t *testing.T) {
	r := newRig(t)
	r.stream = echo(t)
	conn, err := tls.Dial("tcp", r.address, r.admin(t))
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "POST /attach/ns/p/c?output=1 HTTP/1.1\r\nHost: node\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n\r\n")
	in := bufio.NewReader(conn)
	_, err = http.ReadResponse(in, nil)
	require.NoError(t, err)
	line, err := in.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "/attach/token\n", line)
	r.stop()
	_, err = in.ReadByte()
	require.Error(t, err)
}

func TestStreamsThatAreRefused(t *testing.T) {
	r := newRig(t)
	r.stream = echo(t)
	f := func(protocol, path string, code int, want string) {
		t.Helper()
		got, lines := r.upgrade(t, protocol, path)
		require.Equal(t, code, got)
		require.Contains(t, lines[0], want)
	}
	f("SPDY/3.1", "/exec/ns/p/c?command=sh", 400, "you must specify at least 1 of stdin, stdout, stderr")
	f("SPDY/3.1", "/exec/ns/none/c?output=1", 404, "pod does not exist")
	f("SPDY/3.1", "/exec/ns/p/other/c?output=1", 404, "pod not found")
	f("SPDY/3.1", "/exec/ns/p/none?output=1", 500, `container not found ("none")`)
	f("websocket", "/portForward/ns/p", 400, `query parameter "port" is required`)
	f("websocket", "/portForward/ns/p?port=70000", 400, `port "70000" is not a number`)
	r.err = status.Error(codes.NotFound, "gone")
	f("SPDY/3.1", "/exec/ns/p/c?output=1", 404, "gone")
	r.err = nil
	r.stream = "odd"
	f("SPDY/3.1", "/exec/ns/p/c?output=1", 500, "no address to stream from")
	code, _ := r.get(t, r.admin(t), "", "/exec/ns/p/c?output=1")
	require.Equal(t, 500, code)
}
