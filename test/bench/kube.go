package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/lubberline/lubberline/orchestrator/runtime"
)

// kube is `lubberline up` on data, addresses and control groups of its own,
// and a client of it.
type kube struct {
	s                   *settings
	dir, data, config   string
	http                string // the monitoring's APIs
	process             *process
	client              kubernetes.Interface
	apiReady, nodeReady time.Duration // since the process was started
}

const (
	kubeNode   = "bench"
	kubeBridge = "lubberbench0"
)

// startKube starts from nothing and returns when the node takes pods.
func startKube(ctx context.Context, s *settings) (_ *kube, err error) {
	dir, _, err := s.sub("kube")
	if err != nil {
		return nil, err
	}
	k := &kube{s: s, dir: dir, data: filepath.Join(dir, "data"), config: filepath.Join(dir, "config.yaml")}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.stop())
		}
	}()
	if err := k.configure(); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := k.start(); err != nil {
		return nil, err
	}
	if err := k.await(ctx, k.connect); err != nil {
		return nil, fmt.Errorf("API server: %w", err)
	}
	k.apiReady = time.Since(began)
	if err := k.await(ctx, k.hasNode); err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	k.nodeReady = time.Since(began)
	return k, nil
}

func (k *kube) start() (err error) {
	k.process, err = start(k.dir, filepath.Join(k.s.bin, "lubberline"), "up", "--config", k.config)
	return err
}

// cgroup is below which the pods are.
func (k *kube) cgroup() string { return fmt.Sprintf("/lubberline-bench-%d", os.Getpid()) }

func (k *kube) configure() error {
	var ports [6]string
	for i := range ports {
		address, err := freeAddress()
		if err != nil {
			return err
		}
		if _, ports[i], err = net.SplitHostPort(address); err != nil {
			return err
		}
	}
	k.http = "127.0.0.1:" + ports[0]
	text := fmt.Sprintf(`data_dir: %s
collector:
  node: %s
  http: 127.0.0.1:%s
  forward: {listen: "127.0.0.1:%s"}
  runtimes: {docker: "", podman: "", containerd: "", crio: ""}
aggregator: {http: %q}
orchestrator:
  api: 127.0.0.1:%s
  kubelet_port: %s
  logs_port: %s
  node_grace_period: 1h # nodes without an agent, in the benchmark of binds, stay Ready
  network: {bridge: %s, pods: 10.197.0.0/16, node: 10.197.0.0/24, services: 10.198.0.0/16}
  runtime: {pod_logs: %s/pods, cgroup_root: %s}
`, k.data, kubeNode, ports[1], ports[2], k.http, ports[3], ports[4], ports[5], kubeBridge, k.dir, k.cgroup())
	return os.WriteFile(k.config, []byte(text), 0o600)
}

// kubeconfig is the administrator's.
func (k *kube) kubeconfig() string {
	return filepath.Join(k.data, "orchestrator", "api", "admin.kubeconfig")
}

// await tries until it succeeds, for a minute at most.
func (k *kube) await(ctx context.Context, try func(context.Context) error) (err error) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if err := k.process.alive(); err != nil {
			return err
		}
		if err = try(ctx); err == nil {
			return nil
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	return err
}

// connect succeeds when the API says that it is ready.
func (k *kube) connect(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", k.kubeconfig())
	if err != nil {
		return err
	}
	config.QPS = -1
	config.ContentType = "application/vnd.kubernetes.protobuf"
	if k.client, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	status := 0
	k.client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).StatusCode(&status)
	if status != http.StatusOK {
		return fmt.Errorf("/readyz answers %d", status)
	}
	return nil
}

// hasNode succeeds when the node is Ready.
func (k *kube) hasNode(ctx context.Context) error {
	node, err := k.client.CoreV1().Nodes().Get(ctx, kubeNode, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, c := range node.Status.Conditions {
		if c.Type == v1.NodeReady && c.Status == v1.ConditionTrue {
			return nil
		}
	}
	return errors.New("not Ready")
}

// runtimeState is in the command line of every process of the runtime.
func (k *kube) runtimeState() string {
	return runtime.StateDirOf(filepath.Join(k.data, "orchestrator", "runtime"))
}

// stop ends everything, pods included, and removes what there was.
func (k *kube) stop() error {
	if k.process != nil {
		k.process.stop()
	}
	out, err := exec.Command(filepath.Join(k.s.bin, "lubberline"), "down", "--config", k.config).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("lubberline down: %w: %s", err, out)
	}
	groups, _ := filepath.Glob("/sys/fs/cgroup/*" + k.cgroup()) // the pattern is right
	for _, group := range append(groups, "/sys/fs/cgroup"+k.cgroup()) {
		if e := os.Remove(group); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return errors.Join(err, os.RemoveAll(k.dir))
}
