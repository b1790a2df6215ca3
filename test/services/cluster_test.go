// Package services tests services on one node as their clients see them, while
// parts of the cluster fail.
package services

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/runtime/imagefile"
	"github.com/lubberline/lubberline/test/machine"
	"github.com/lubberline/lubberline/test/peers"
	"github.com/lubberline/lubberline/test/program"
)

const (
	image    = "lubberline.test/pod:1"
	replicas = 3
	// number is the machine's among those of all tests.
	number = 2
	// grace is how long a pod goes on serving once it is being deleted, in seconds:
	// time for the proxy to hear of it.
	grace = 3
	// storeDisk is the size of the disk of the API's objects: a few logs of writes
	// of 64 MB, and some room.
	storeDisk = 320 << 20
)

// cluster is one machine with a deployment of web servers and its service.
type cluster struct {
	t      *testing.T
	m      *machine.Machine
	client kubernetes.Interface
	url    string // of the service's cluster IP
}

func start(t *testing.T) *cluster {
	peers.RequireReal(t)
	unlock, err := machine.Lock("services")
	require.NoError(t, err)
	t.Cleanup(unlock)
	c := &cluster{t: t, m: machine.New(number)}
	c.m.Store = storeDisk
	t.Cleanup(func() {
		if t.Failed() && c.m.Program != nil {
			t.Logf("output of lubberline:\n%s", c.m.Out.Tail(20000))
		}
		require.NoError(t, c.m.Clean())
	})
	require.NoError(t, c.m.Boot())
	c.importImage()
	config, err := clientcmd.BuildConfigFromFlags("", c.m.Kubeconfig)
	require.NoError(t, err)
	config.QPS, config.WarningHandler = -1, rest.NoWarnings{}
	c.client, err = kubernetes.NewForConfig(config)
	require.NoError(t, err)
	c.deploy()
	return c
}

// importImage makes the image of the pods' program.
func (c *cluster) importImage() {
	dir := filepath.Dir(podProgram(c.t))
	files, err := imagefile.Folder(dir)
	require.NoError(c.t, err)
	var archive bytes.Buffer
	require.NoError(c.t, imagefile.Image{Name: image, Entrypoint: []string{"/pod"}, Files: files}.Write(&archive))
	path := filepath.Join(c.t.TempDir(), "image.tar")
	require.NoError(c.t, os.WriteFile(path, archive.Bytes(), 0o600))
	lubberline, err := program.Path("lubberline")
	require.NoError(c.t, err)
	out, err := exec.Command(lubberline, "images", "import", "--socket", c.m.Socket(), path).CombinedOutput()
	require.NoError(c.t, err, "%s", out)
}

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}}
}

// server is a container that is ready soon and ends without losing requests.
func server() corev1.Container {
	return corev1.Container{
		Name: "main", Image: image, Args: []string{"serve"},
		ReadinessProbe: &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(8080)}},
			PeriodSeconds: 1, TimeoutSeconds: 5,
		},
		Lifecycle: &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: grace}}},
	}
}

func service(name string) *corev1.Service {
	return &corev1.Service{ObjectMeta: meta(name), Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}},
	}}
}

func (c *cluster) deploy() {
	_, err := c.client.AppsV1().Deployments("default").Create(c.t.Context(), &appsv1.Deployment{ObjectMeta: meta("web"), Spec: appsv1.DeploymentSpec{
		Replicas: ptr.To[int32](replicas), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		Template: corev1.PodTemplateSpec{ObjectMeta: meta("web"), Spec: corev1.PodSpec{Containers: []corev1.Container{server()}}},
	}}, metav1.CreateOptions{})
	require.NoError(c.t, err)
	made, err := c.client.CoreV1().Services("default").Create(c.t.Context(), service("web"), metav1.CreateOptions{})
	require.NoError(c.t, err)
	c.url = "http://" + made.Spec.ClusterIP
	c.complete()
}

// complete waits until all pods are those of the newest template and are ready,
// none of the old ones is there, and the service leads to them.
func (c *cluster) complete() {
	c.t.Helper()
	c.until("the deployment is complete", func(ctx context.Context) error {
		d, err := c.client.AppsV1().Deployments("default").Get(ctx, "web", metav1.GetOptions{})
		if err != nil {
			return err
		}
		s := d.Status
		if s.ObservedGeneration != d.Generation || s.UpdatedReplicas != replicas || s.AvailableReplicas != replicas || s.Replicas != replicas || len(c.pods(ctx)) != replicas {
			return fmt.Errorf("deployment %+v", s)
		}
		e, err := c.client.CoreV1().Endpoints("default").Get(ctx, "web", metav1.GetOptions{}) //nolint:staticcheck // the shortest way to count
		if err != nil || len(e.Subsets) != 1 || len(e.Subsets[0].Addresses) != replicas {
			return fmt.Errorf("endpoints %v %w", e.Subsets, err)
		}
		return nil
	})
}

func (c *cluster) until(what string, check func(ctx context.Context) error) {
	c.t.Helper()
	require.NoError(c.t, machine.Until(func() error { return check(c.t.Context()) }), what)
}

// pods are the web servers, those that end included.
func (c *cluster) pods(ctx context.Context) []corev1.Pod {
	list, err := c.client.CoreV1().Pods("default").List(ctx, metav1.ListOptions{LabelSelector: "app=web"})
	if err != nil {
		return nil
	}
	return list.Items
}

// processes of a pod's container, as the machine numbers them.
func (c *cluster) processes(pod corev1.Pod) []string {
	c.t.Helper()
	id := strings.TrimPrefix(pod.Status.ContainerStatuses[0].ContainerID, "containerd://")
	out, err := exec.Command("pgrep", "-f", "^/pod serve").Output()
	require.NoError(c.t, err)
	var found []string
	for _, pid := range strings.Fields(string(out)) {
		groups, err := os.ReadFile(filepath.Join("/proc", pid, "cgroup"))
		if err == nil && strings.Contains(string(groups), id) {
			found = append(found, pid)
		}
	}
	require.NotEmpty(c.t, found, "no process of container %s", id)
	return found
}
