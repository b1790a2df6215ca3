package kubernetes

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/lubberline/lubberline/orchestrator/podutil"
	"github.com/lubberline/lubberline/test/program"
)

// nextImage is the same image under another name.
const nextImage = "lubberline.test/busybox:2"

// TestRollingUpdate kills the client of an update again and again, and goes on
// with the same command, while requests come in through a service.
func TestRollingUpdate(t *testing.T) {
	k := ours(t, sharedMachine(t))
	load := serve(k)
	ready := watchReady(k)
	args := []string{"web", "--image=" + nextImage, "--update-period=500ms", "--poll-interval=100ms"}
	kills := 0
	for life := 300 * time.Millisecond; ; life += 300 * time.Millisecond {
		cmd := k.rollingUpdate("", args...)
		timer := time.AfterFunc(life, func() { _ = cmd.Process.Kill() })
		out, err := cmd.CombinedOutput()
		if timer.Stop(); err == nil {
			require.Contains(t, string(out), "replicationcontroller/web rolling updated")
			break
		}
		status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		require.True(t, ok && status.Signaled(), "%v: %s", err, out)
		kills++
	}
	require.Greater(t, kills, 2)
	load.noneFailed(t)
	require.GreaterOrEqual(t, ready.fewest(), 2)

	require.Equal(t, "3 3", k.jsonpath("{.spec.replicas} {.status.readyReplicas}", "rc", "web"))
	require.Empty(t, k.jsonpath("{.metadata.annotations}", "rc", "web"))
	require.Equal(t, []string{"web"}, k.names("rc"))
	k.becomes(strings.TrimSpace(strings.Repeat(nextImage+" ", 3)), "{.items[*].spec.containers[0].image}", "pods", "-l", "app=web")
}

// TestRollingUpdateByManifest reads the new controller from standard input, and
// goes back before the end.
func TestRollingUpdateByManifest(t *testing.T) {
	k := ours(t, sharedMachine(t))
	load := serve(k)
	next := server("web-2", nextImage, "2")
	out, err := k.rollingUpdate(next, "web", "-f", "-", "--update-period=1h", "--poll-interval=100ms", "--timeout=2s", "--dry-run").CombinedOutput()
	require.NoError(t, err)
	require.Equal(t, "Rolling from:\nweb\nTo:\nweb-2\n", string(out))
	require.Equal(t, []string{"web"}, k.names("rc"))

	interrupted := k.rollingUpdate(next, "web", "-f", "-", "--update-period=1h", "--poll-interval=100ms")
	said := &program.Output{}
	interrupted.Stdout, interrupted.Stderr = said, said
	require.NoError(t, interrupted.Start())
	k.until("a new pod is ready", func() error { return contains(said.String(), "web-2: 1 of 3 ready; web: 3 left, 3 ready") })
	require.NoError(t, interrupted.Process.Signal(syscall.SIGINT))
	require.Error(t, interrupted.Wait())
	require.Contains(t, said.String(), "interrupted: the same command goes on with the update, --rollback takes it back")
	require.Equal(t, "web-2 3", k.jsonpath(`{.metadata.annotations.kubectl\.kubernetes\.io/next-controller-id} {.metadata.annotations.kubectl\.kubernetes\.io/original-replicas}`, "rc", "web"))
	require.Equal(t, "3", k.jsonpath(`{.metadata.annotations.kubectl\.kubernetes\.io/desired-replicas}`, "rc", "web-2"))

	out, err = k.rollingUpdate("", "web", "--rollback", "--update-period=100ms", "--poll-interval=100ms").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, []string{"web"}, k.names("rc"))
	out, err = k.rollingUpdate(next, "web", "-f", "-", "--update-period=100ms", "--poll-interval=100ms").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, []string{"web-2"}, k.names("rc"))
	require.Equal(t, "3", k.jsonpath("{.status.readyReplicas}", "rc", "web-2"))
	load.noneFailed(t)
}

// rollingUpdate is the command in the scenario's namespace.
func (k *kube) rollingUpdate(stdin string, args ...string) *exec.Cmd {
	k.t.Helper()
	path, err := program.Path("lubberline")
	require.NoError(k.t, err)
	cmd := exec.CommandContext(k.t.Context(), path, append([]string{"rolling-update", "--kubeconfig", k.m.Kubeconfig, "-n", k.ns}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// server is a controller of three pods that serve HTTP, and are in the service
// while they do.
func server(name, image, version string) string {
	return fmt.Sprintf(`{apiVersion: v1, kind: ReplicationController, metadata: {name: %s}, spec: {replicas: 3, selector: {app: web, version: "%s"},
  template: {metadata: {labels: {app: web, version: "%s"}}, spec: {terminationGracePeriodSeconds: 10, containers: [{
    name: main, image: %q, command: [sh, -c, "cd /etc; trap 'exit 0' TERM; httpd -f -p 8080 & wait"],
    readinessProbe: {httpGet: {path: /passwd, port: 8080}, periodSeconds: 1, timeoutSeconds: 5},
    lifecycle: {preStop: {sleep: {seconds: 2}}}}]}}}}`, name, version, version, image)
}

// serve makes the controller web and a service before it, and asks that all the
// time.
func serve(k *kube) *requests {
	k.t.Helper()
	path, err := program.Path("lubberline")
	require.NoError(k.t, err)
	out, err := exec.CommandContext(k.t.Context(), path, "images", "build-busybox", "--name", nextImage, "--socket", k.m.Socket()).CombinedOutput()
	require.NoError(k.t, err, string(out))
	k.create(server("web", image, "1"))
	k.create(`{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}}`)
	k.becomes("3", "{.status.readyReplicas}", "rc", "web")
	r := &requests{url: "http://" + k.jsonpath("{.spec.clusterIP}", "service", "web") + "/passwd", done: make(chan struct{})}
	k.until("the service answers", r.ask)
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go r.run(ctx)
	k.t.Cleanup(r.end)
	return r
}

// requests are asked of a service, one after the other, each on a connection of
// its own.
type requests struct {
	url    string
	cancel context.CancelFunc
	done   chan struct{}
	asked  atomic.Int64
	failed atomic.Int64
}

func (r *requests) ask() error {
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(r.url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %w", answer.Status, err)
	}
	return nil
}

func (r *requests) run(ctx context.Context) {
	defer close(r.done)
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return
		}
		r.asked.Add(1)
		if err := r.ask(); err != nil {
			r.failed.Add(1)
		}
	}
}

// end stops asking.
func (r *requests) end() {
	r.cancel()
	<-r.done
}

// noneFailed ends it, and wants that it was something.
func (r *requests) noneFailed(t *testing.T) {
	t.Helper()
	r.end()
	require.Greater(t, r.asked.Load(), int64(100))
	require.Zero(t, r.failed.Load(), "requests of %d that failed", r.asked.Load())
}

// readyPods follows how many pods of the scenario are ready.
type readyPods struct{ least atomic.Int64 }

func watchReady(k *kube) *readyPods {
	k.t.Helper()
	cfg, err := clientcmd.BuildConfigFromFlags("", k.m.Kubeconfig)
	require.NoError(k.t, err)
	client, err := clientset.NewForConfig(cfg)
	require.NoError(k.t, err)
	list, err := client.CoreV1().Pods(k.ns).List(k.t.Context(), metav1.ListOptions{LabelSelector: "app=web"})
	require.NoError(k.t, err)
	w, err := client.CoreV1().Pods(k.ns).Watch(k.t.Context(), metav1.ListOptions{LabelSelector: "app=web", ResourceVersion: list.ResourceVersion})
	require.NoError(k.t, err)
	r, ready := &readyPods{}, map[types.UID]bool{}
	for i := range list.Items {
		ready[list.Items[i].UID] = podutil.IsReady(&list.Items[i])
	}
	r.least.Store(int64(len(list.Items)))
	go r.follow(w, ready)
	k.t.Cleanup(w.Stop)
	return r
}

// follow ends with the watch.
func (r *readyPods) follow(w apiwatch.Interface, ready map[types.UID]bool) {
	for event := range w.ResultChan() {
		pod, ok := event.Object.(*corev1.Pod)
		if !ok {
			continue
		}
		ready[pod.UID] = event.Type != apiwatch.Deleted && pod.DeletionTimestamp == nil && podutil.IsReady(pod)
		n := int64(0)
		for _, is := range ready {
			if is {
				n++
			}
		}
		r.least.Store(min(r.least.Load(), n))
	}
}

func (r *readyPods) fewest() int { return int(r.least.Load()) }
