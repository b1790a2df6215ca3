package probe

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/record"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shell answers commands in containers by what the test sets.
type shell struct {
	mu       sync.Mutex
	exit     map[string]int32 // by the command's first word
	err      error
	commands []string
}

func (s *shell) ExecSync(_ context.Context, in *runtimeapi.ExecSyncRequest, _ ...grpc.CallOption) (*runtimeapi.ExecSyncResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands = append(s.commands, strings.Join(in.Cmd, " "))
	return &runtimeapi.ExecSyncResponse{ExitCode: s.exit[in.Cmd[0]], Stdout: []byte("out "), Stderr: []byte("err")}, s.err
}

func (s *shell) set(command string, code int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exit[command] = code
}

func (s *shell) asked(command string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.commands {
		if c == command {
			n++
		}
	}
	return n
}

type rig struct {
	*Prober
	shell  *shell
	events *record.FakeRecorder
}

func newRig(t *testing.T) *rig {
	r := &rig{shell: &shell{exit: map[string]int32{}}, events: record.NewFakeRecorder(1000)}
	p, err := New(Options{Runtime: r.shell, Events: r.events})
	require.NoError(t, err)
	r.Prober = p
	return r
}

func execProbe(command string, change func(*corev1.Probe)) *corev1.Probe {
	p := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{command}}}, PeriodSeconds: 10, TimeoutSeconds: 1, SuccessThreshold: 1, FailureThreshold: 3}
	if change != nil {
		change(p)
	}
	return p
}

// running is a pod with one running container, and its status.
func running(id string, c corev1.Container) (*corev1.Pod, *corev1.PodStatus) {
	c.Name = "c"
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", UID: "u1"}, Spec: corev1.PodSpec{Containers: []corev1.Container{c}}}
	return pod, &corev1.PodStatus{PodIP: "127.0.0.1", ContainerStatuses: []corev1.ContainerStatus{{
		Name: "c", ContainerID: "containerd://" + id, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}}}}
}

// drain forgets which pods have changed.
func (r *rig) drain() (n int) {
	for {
		select {
		case <-r.changed:
			n++
		default:
			return n
		}
	}
}

func TestReadinessThresholdsAndDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.Close()
		r.shell.set("ready", 1)
		pod, status := running("x", corev1.Container{ReadinessProbe: execProbe("ready", func(p *corev1.Probe) { p.InitialDelaySeconds, p.SuccessThreshold = 30, 2 })})
		r.Update(pod, status)
		time.Sleep(29 * time.Second)
		require.Zero(t, r.shell.asked("ready"))
		time.Sleep(2 * time.Second)
		require.Equal(t, 1, r.shell.asked("ready"))
		require.Equal(t, "Warning Unhealthy Readiness probe failed: out err", <-r.events.Events)
		_, known := r.Ready("x")
		require.False(t, known)

		r.shell.set("ready", 0)
		time.Sleep(10 * time.Second)
		_, known = r.Ready("x")
		require.False(t, known, "two successes are asked for")
		time.Sleep(10 * time.Second)
		ready, known := r.Ready("x")
		require.True(t, ready && known)
		require.Equal(t, 1, r.drain())

		r.shell.set("ready", 1)
		time.Sleep(20 * time.Second)
		ready, _ = r.Ready("x")
		require.True(t, ready)
		time.Sleep(10 * time.Second)
		ready, known = r.Ready("x")
		require.True(t, !ready && known)
		require.Equal(t, 1, r.drain())
		require.Equal(t, 2, testutil.CollectAndCount(r.Collector()), "successes and failures")
		r.Remove("u1")
		_, known = r.Ready("x")
		require.False(t, known)
		require.Zero(t, testutil.CollectAndCount(r.Collector()))
	})
}

func TestStartupComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.Close()
		r.shell.set("start", 1)
		r.shell.set("live", 1)
		pod, status := running("x", corev1.Container{StartupProbe: execProbe("start", nil), LivenessProbe: execProbe("live", nil)})
		r.Update(pod, status)
		time.Sleep(15 * time.Second)
		require.Zero(t, r.shell.asked("live"))
		r.shell.set("start", 0)
		time.Sleep(10 * time.Second)
		started, known := r.Started("x")
		require.True(t, started && known)
		time.Sleep(9 * time.Second)
		_, failed := r.Failed("x")
		require.False(t, failed)
		time.Sleep(15 * time.Second)
		kind, failed := r.Failed("x")
		require.True(t, failed)
		require.Equal(t, "liveness", kind)
		asked := r.shell.asked("live")
		require.Equal(t, 3, asked)
		require.Equal(t, 3, r.shell.asked("start"))
		time.Sleep(time.Minute)
		require.Equal(t, asked, r.shell.asked("live"), "it waits for a new container")

		_, next := running("y", corev1.Container{})
		r.Update(pod, next)
		_, failed = r.Failed("x")
		require.False(t, failed)
		time.Sleep(time.Second)
		started, known = r.Started("y")
		require.True(t, started && known)
	})
}

func TestStartupFailsAndDeletionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.Close()
		r.shell.set("start", 1)
		pod, status := running("x", corev1.Container{StartupProbe: execProbe("start", func(p *corev1.Probe) { p.FailureThreshold = 1 })})
		r.Update(pod, status)
		time.Sleep(time.Second)
		kind, _ := r.Failed("x")
		require.Equal(t, "startup", kind)
		r.Remove("u1")

		pod, status = running("y", corev1.Container{LivenessProbe: execProbe("live", nil), ReadinessProbe: execProbe("ready", nil)})
		r.Update(pod, status)
		time.Sleep(time.Second)
		deleted := pod.DeepCopy()
		deleted.DeletionTimestamp = new(metav1.Now())
		r.Update(deleted, status)
		live, ready := r.shell.asked("live"), r.shell.asked("ready")
		time.Sleep(30 * time.Second)
		require.Equal(t, live, r.shell.asked("live"))
		require.Equal(t, ready+3, r.shell.asked("ready"))
		status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}
		r.Update(deleted, status)
		require.Empty(t, r.containers)
	})
}

func TestAfterARestartOfTheAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.Close()
		pod, status := running("x", corev1.Container{StartupProbe: execProbe("start", nil), ReadinessProbe: execProbe("ready", nil)})
		status.ContainerStatuses[0].Started = new(true)
		status.ContainerStatuses[0].State.Running.StartedAt = metav1.NewTime(time.Now().Add(-time.Hour))
		r.Update(pod, status)
		started, known := r.Started("x")
		require.True(t, started && known)
		time.Sleep(10 * time.Second)
		require.Equal(t, 1, r.shell.asked("ready"), "some time in the first period")
		require.Zero(t, r.shell.asked("start"))
	})
}

func TestProbesThatCannotBeMadeCountNeitherWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.Close()
		r.shell.err = status.Error(codes.Unavailable, "no runtime")
		pod, s := running("x", corev1.Container{LivenessProbe: execProbe("live", func(p *corev1.Probe) { p.FailureThreshold = 1 })})
		r.Update(pod, s)
		time.Sleep(time.Second)
		require.Equal(t, tries, r.shell.asked("live"))
		_, failed := r.Failed("x")
		require.False(t, failed)
		require.Contains(t, <-r.events.Events, "Liveness probe errored and resulted in unknown state: rpc error: code = Unavailable")
	})
}

// address splits a test server's.
func address(t *testing.T, hostPort string) (string, int32) {
	t.Helper()
	a, err := netip.ParseAddrPort(hostPort)
	require.NoError(t, err)
	return a.Addr().String(), int32(a.Port())
}

func TestHTTP(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	code := http.StatusOK
	var header http.Header
	var host string
	handler := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		header, host = req.Header, req.Host
		switch req.URL.Path {
		case "/away":
			http.Redirect(w, req, "http://other.invalid/", http.StatusFound)
		case "/same":
			http.Redirect(w, req, "/healthz?q=1", http.StatusFound)
		case "/slow":
			<-req.Context().Done()
		default:
			w.WriteHeader(code)
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	f := func(server *httptest.Server, path string) (result, error) {
		u, err := url.Parse(server.URL)
		require.NoError(t, err)
		ip, port := address(t, u.Host)
		return r.check(t.Context(), target{pod: &corev1.Pod{}, ip: ip, container: &corev1.Container{Ports: []corev1.ContainerPort{{Name: "web", ContainerPort: port}}}},
			&corev1.Probe{TimeoutSeconds: 1, ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
				Path: path, Port: intstr.FromString("web"), Scheme: corev1.URIScheme(strings.ToUpper(u.Scheme)),
				HTTPHeaders: []corev1.HTTPHeader{{Name: "X-A", Value: "1"}, {Name: "Host", Value: "own.example"}}}}})
	}
	got, err := f(plain, "/healthz")
	require.NoError(t, err)
	require.True(t, got.ok)
	require.Equal(t, "kube-probe/1.37", header.Get("User-Agent"))
	require.Equal(t, []string{"1", "*/*", "own.example"}, []string{header.Get("X-A"), header.Get("Accept"), host})
	got, _ = f(secure, "/healthz")
	require.True(t, got.ok, "any certificate will do")
	got, _ = f(plain, "/same")
	require.True(t, got.ok && !got.warning)
	got, _ = f(plain, "/away")
	require.True(t, got.ok && got.warning)
	code = http.StatusInternalServerError
	got, _ = f(plain, "/healthz")
	require.Equal(t, result{output: "HTTP probe failed with statuscode: 500"}, got)
	got, _ = f(plain, "/slow")
	require.Contains(t, got.output, "context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
	plain.Close()
	got, _ = f(plain, "/")
	require.Contains(t, got.output, "connection refused")
	_, err = resolvePort(intstr.FromString("none"), &corev1.Container{})
	require.Error(t, err)
}

func TestTCPAndGRPC(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server, service := grpc.NewServer(), health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, service)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	ip, port := address(t, l.Addr().String())
	ask := func(h corev1.ProbeHandler) result {
		got, err := r.check(t.Context(), target{pod: &corev1.Pod{}, ip: ip, container: &corev1.Container{}}, &corev1.Probe{TimeoutSeconds: 1, ProbeHandler: h})
		require.NoError(t, err)
		return got
	}
	tcp := corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(port)}}
	health := func(name string) corev1.ProbeHandler {
		return corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: port, Service: &name}}
	}
	require.True(t, ask(tcp).ok)
	require.True(t, ask(health("")).ok)
	require.Contains(t, ask(health("none")).output, "error: health rpc probe failed: rpc error: code = NotFound")
	service.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	require.Equal(t, `service unhealthy (responded with "NOT_SERVING")`, ask(health("")).output)
	server.Stop()
	<-done
	require.Contains(t, ask(tcp).output, "connection refused")
	require.Contains(t, ask(health("")).output, "timeout: failed to connect service")
}

func TestExec(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	ask := func() (result, error) {
		return r.check(t.Context(), target{pod: &corev1.Pod{}, container: &corev1.Container{Env: []corev1.EnvVar{{Name: "A", Value: "x"}}}},
			&corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"cat", "$(A)"}}}})
	}
	got, err := ask()
	require.NoError(t, err)
	require.True(t, got.ok)
	require.Equal(t, 1, r.shell.asked("cat x"))
	r.shell.err = status.Error(codes.DeadlineExceeded, "timeout")
	got, err = ask()
	require.NoError(t, err)
	require.Equal(t, result{output: `command timed out: "cat x" timed out after 1s`}, got)
}
