package app

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"

	"github.com/lubberline/lubberline/orchestrator/apiserver/apitest"
	"github.com/lubberline/lubberline/orchestrator/runtime"
	"github.com/lubberline/lubberline/orchestrator/runtime/imagefile"
	"github.com/lubberline/lubberline/test/peers"
)

const (
	nodeName = "testnode"
	busybox  = "lubberline.test/busybox:1"
	wait     = 30 * time.Second
	tick     = 5 * time.Millisecond
)

// rig is an API server, a container runtime and a node agent.
type rig struct {
	t       testing.TB
	client  kubernetes.Interface
	admin   kubernetes.Interface
	root    string
	runtime *runtime.Runtime
	options runtime.Options
	agent   *App
	stop    func()
	log     *slog.Logger
	cgroup  string
}

func newRig(t testing.TB) *rig {
	t.Helper()
	peers.RequireReal(t)
	r := &rig{t: t, root: t.TempDir(), log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))}
	r.cgroup = fmt.Sprintf("/lubbertest%d", os.Getpid())
	server := apitest.Start(t)
	r.client = client(t, server.ClientConfig("system:node:"+nodeName, "system:nodes"))
	r.admin = client(t, server.ClientConfig("admin", "system:masters"))
	_, err := r.admin.CoreV1().ServiceAccounts("default").Create(t.Context(), &v1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(r.removeCgroups)
	r.startRuntime()
	r.startAgent()
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *rig) startRuntime() {
	r.t.Helper()
	r.options = runtime.Options{
		BinDir: peers.RuntimePrograms(r.t), DataDir: filepath.Join(r.root, "runtime"),
		Network: runtime.Network{Bridge: "lubbertest1", Subnet: netip.MustParsePrefix("10.246.7.0/24"), Cluster: netip.MustParsePrefix("10.246.0.0/16")},
		Logger:  r.log,
	}
	one, err := runtime.New(r.options)
	require.NoError(r.t, err)
	r.runtime = one
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- one.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		<-ended
		require.NoError(r.t, runtime.Remove(context.Background(), r.options))
	})
	select {
	case <-one.Ready():
	case <-time.After(time.Minute):
		r.t.Fatal("the runtime does not become ready")
	}
	program, err := exec.LookPath("busybox")
	require.NoError(r.t, err)
	image, err := imagefile.Busybox(program, busybox)
	require.NoError(r.t, err)
	var archive bytes.Buffer
	require.NoError(r.t, image.Write(&archive))
	require.NoError(r.t, runtime.Images{BinDir: r.options.BinDir, Socket: one.Socket()}.Import(r.t.Context(), &archive))
}

// startAgent starts an agent, which stop ends; containers go on.
func (r *rig) startAgent() {
	r.t.Helper()
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&typedv1.EventSinkImpl{Interface: r.client.CoreV1().Events("")})
	factory := informers.NewSharedInformerFactory(r.client, 0)
	var err error
	r.agent, err = New(Options{
		Client: r.client, Informers: factory, NodeName: nodeName, Addresses: []string{r.options.Network.Gateway().String()},
		Events: broadcaster.NewRecorder(scheme.Scheme, v1.EventSource{Component: "kubelet", Host: nodeName}),
		Socket: r.runtime.Socket(), Root: filepath.Join(r.root, "agent"), LogDir: filepath.Join(r.root, "logs"),
		Cgroup: r.cgroup, Logger: r.log,
	})
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	factory.Start(ctx.Done())
	done := make(chan error, 1)
	go func() { done <- r.agent.Run(ctx) }()
	r.stop = func() {
		cancel()
		require.NoError(r.t, <-done)
		broadcaster.Shutdown()
	}
	select {
	case <-r.agent.Ready():
	case <-time.After(wait):
		node, err := r.admin.CoreV1().Nodes().Get(r.t.Context(), nodeName, metav1.GetOptions{})
		r.t.Fatalf("the node does not become ready: %v %+v", err, node)
	}
}

// pod is a pod of busybox on the rig's node.
func pod(name string, command ...string) *v1.Pod {
	grace := int64(5)
	no := false
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
		Spec: v1.PodSpec{
			NodeName: nodeName, TerminationGracePeriodSeconds: &grace, AutomountServiceAccountToken: &no, EnableServiceLinks: &no,
			Containers: []v1.Container{{Name: "main", Image: busybox, ImagePullPolicy: v1.PullIfNotPresent, Command: command}},
		},
	}
}

func (r *rig) create(pod *v1.Pod) *v1.Pod {
	r.t.Helper()
	made, err := r.admin.CoreV1().Pods(pod.Namespace).Create(r.t.Context(), pod, metav1.CreateOptions{})
	require.NoError(r.t, err)
	return made
}

func (r *rig) get(name string) *v1.Pod {
	r.t.Helper()
	pod, err := r.admin.CoreV1().Pods("default").Get(r.t.Context(), name, metav1.GetOptions{})
	require.NoError(r.t, err)
	return pod
}

// until waits for the pod to be as wanted and returns it.
func (r *rig) until(name string, wanted func(*v1.Pod) bool) *v1.Pod {
	r.t.Helper()
	var last *v1.Pod
	defer func() {
		if r.t.Failed() && last != nil {
			r.t.Logf("%s: %+v", name, last.Status)
		}
	}()
	require.Eventually(r.t, func() bool {
		last = r.get(name)
		return wanted(last)
	}, wait, tick)
	return last
}

func running(pod *v1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == v1.PodReady {
			return pod.Status.Phase == v1.PodRunning && c.Status == v1.ConditionTrue
		}
	}
	return false
}

func client(t testing.TB, config *rest.Config) kubernetes.Interface {
	c, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	return c
}

func (r *rig) text(path string) string {
	r.t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(r.t, err)
	return strings.TrimSpace(string(text))
}

// eventsOf are "REASON MESSAGE" of the events about the pod.
func (r *rig) eventsOf(name string) []string {
	r.t.Helper()
	list, err := r.admin.CoreV1().Events("default").List(r.t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=" + name})
	require.NoError(r.t, err)
	var events []string
	for _, e := range list.Items {
		events = append(events, e.Reason+" "+e.Message)
	}
	return events
}

// containerd is the process id of the rig's containerd, 0 while there is none.
func (r *rig) containerd() int {
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(r.t, err)
	for _, path := range processes {
		line, err := os.ReadFile(path)
		if err == nil && strings.HasPrefix(string(line), filepath.Join(r.options.BinDir, "containerd")+"\x00") && strings.Contains(string(line), r.options.DataDir) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			require.NoError(r.t, err)
			return pid
		}
	}
	return 0
}

// removeCgroups takes the rig's groups away; those of pods are gone with them.
func (r *rig) removeCgroups() {
	for _, pattern := range []string{"/sys/fs/cgroup/*", "/sys/fs/cgroup"} {
		for _, group := range []string{"/*/pod*/*", "/pod*/*", "/*/pod*", "/pod*", "/burstable", "/besteffort", ""} {
			dirs, err := filepath.Glob(pattern + r.cgroup + group)
			require.NoError(r.t, err)
			for _, dir := range dirs {
				if info, err := os.Stat(dir); err == nil && info.IsDir() {
					require.NoError(r.t, os.Remove(dir))
				}
			}
		}
	}
}
