package peers

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Containerd is a containerd of the test's own that serves CRI, as on a
// Kubernetes node. Start, Stop and Kill keep data and address.
type Containerd struct {
	server
	// Socket is the path of the CRI socket.
	Socket string
	// LogDir is where the pods' log folders lie, as /var/log/pods:
	// LogDir/NAMESPACE_POD_UID/CONTAINER/0.log.
	LogDir string

	conn *grpc.ClientConn
	lock *engineLock
	pods []string // the UIDs of those that were run
}

// Pod describes a pod of one container, on the host's network.
type Pod struct {
	Namespace, Name, UID string
	Labels               map[string]string
	Container            string
	Image                string // of Containerd.Image
	Command              []string
}

// pauseImage is what sandboxes run.
const pauseImage = "lubberline.test/pause:1"

// StartContainerd starts a containerd with its CRI plugin. Everything it leaves
// is removed at the end of the test. It needs root.
func StartContainerd(t testing.TB) *Containerd {
	t.Helper()
	for _, program := range []string{"containerd", "ctr", "runc"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("containerd: no %s: run test/peers/install.sh as root", program)
		}
	}
	if os.Getuid() != 0 {
		t.Fatal("containerd: the test's own needs root")
	}
	dir := shortDir(t)
	c := &Containerd{
		server: server{name: "containerd", dir: dir},
		Socket: filepath.Join(dir, "c.sock"),
		LogDir: filepath.Join(dir, "pods"),
	}
	t.Cleanup(func() { c.remove(t) })
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(c.config()), 0o644); err != nil {
		t.Fatal(err)
	}
	var err error
	if c.lock, err = shareEngines(); err != nil {
		t.Fatal(err)
	}
	c.conn, err = grpc.NewClient("unix://"+c.Socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	c.command = func() *exec.Cmd {
		return exec.Command("containerd", "--config", filepath.Join(dir, "config.toml"), "--log-level", "warn")
	}
	c.ready = c.answersCRI
	c.Start(t)
	c.Image(t, pauseImage, "sleep", "1000000")
	return c
}

func (c *Containerd) config() string {
	return fmt.Sprintf(`version = 2
root = "%[1]s/root"
state = "%[1]s/state"
[grpc]
address = "%[2]s"
[ttrpc]
address = "%[2]s.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
path = "%[1]s/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "%[3]s"
restrict_oom_score_adj = true
disable_apparmor = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "%[1]s/cni/bin"
conf_dir = "%[1]s/cni/conf"
`, c.dir, c.Socket, pauseImage)
}

// call bounds one request.
func call() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 30*time.Second)
}

func (c *Containerd) answersCRI() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	status, err := cri.NewRuntimeServiceClient(c.conn).Status(ctx, &cri.StatusRequest{})
	if err != nil {
		return err
	}
	for _, condition := range status.GetStatus().GetConditions() {
		if condition.GetType() == "RuntimeReady" && condition.GetStatus() {
			return nil
		}
	}
	return fmt.Errorf("the runtime is not ready: %v", status)
}

// Image imports an image of that name made of this machine's static busybox,
// which runs the command unless told otherwise, and returns the name.
func (c *Containerd) Image(t testing.TB, name string, command ...string) string {
	t.Helper()
	archive, err := busyboxArchive(name, command)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ctr", "--address", c.Socket, "--namespace", "k8s.io", "images", "import", "-")
	cmd.Stdin = strings.NewReader(string(archive))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("import image %s: %v: %s", name, err, out)
	}
	return name
}

// RunPod starts the pod and its container, in the cgroup that a kubelet with the
// cgroupfs driver would give it (/kubepods/besteffort/pod<UID>/<container id>).
func (c *Containerd) RunPod(t testing.TB, p Pod) (sandbox, container string) {
	t.Helper()
	ctx, cancel := call()
	defer cancel()
	runtime := cri.NewRuntimeServiceClient(c.conn)
	labels := map[string]string{
		"io.kubernetes.pod.namespace": p.Namespace, "io.kubernetes.pod.name": p.Name, "io.kubernetes.pod.uid": p.UID,
	}
	c.pods = append(c.pods, p.UID)
	config := p.sandboxConfig(c.LogDir, with(p.Labels, labels))
	pod, err := runtime.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: config})
	if err != nil {
		t.Fatalf("run the sandbox of %s: %v", p.Name, err)
	}
	created, err := runtime.CreateContainer(ctx, &cri.CreateContainerRequest{
		PodSandboxId: pod.GetPodSandboxId(), SandboxConfig: config,
		Config: &cri.ContainerConfig{
			Metadata: &cri.ContainerMetadata{Name: p.Container},
			Image:    &cri.ImageSpec{Image: p.Image},
			Command:  p.Command,
			Labels:   with(labels, map[string]string{"io.kubernetes.container.name": p.Container}),
			LogPath:  p.Container + "/0.log",
			Linux:    &cri.LinuxContainerConfig{Resources: &cri.LinuxContainerResources{CpuShares: 2}},
		},
	})
	if err != nil {
		t.Fatalf("create container %s of %s: %v", p.Container, p.Name, err)
	}
	if err := os.MkdirAll(filepath.Join(config.GetLogDirectory(), p.Container), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := runtime.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: created.GetContainerId()}); err != nil {
		t.Fatalf("start container %s of %s: %v", p.Container, p.Name, err)
	}
	return pod.GetPodSandboxId(), created.GetContainerId()
}

func (p Pod) sandboxConfig(logDir string, labels map[string]string) *cri.PodSandboxConfig {
	host := &cri.NamespaceOption{Network: cri.NamespaceMode_NODE, Pid: cri.NamespaceMode_CONTAINER}
	return &cri.PodSandboxConfig{
		Metadata:     &cri.PodSandboxMetadata{Name: p.Name, Namespace: p.Namespace, Uid: p.UID},
		Labels:       labels,
		LogDirectory: filepath.Join(logDir, p.Namespace+"_"+p.Name+"_"+p.UID),
		Linux: &cri.LinuxPodSandboxConfig{
			CgroupParent:    "/kubepods/besteffort/pod" + p.UID,
			SecurityContext: &cri.LinuxSandboxSecurityContext{NamespaceOptions: host},
		},
	}
}

// RemovePod stops and removes a pod.
func (c *Containerd) RemovePod(t testing.TB, sandbox string) {
	t.Helper()
	if err := c.removePod(sandbox); err != nil {
		t.Fatal(err)
	}
}

func (c *Containerd) removePod(sandbox string) error {
	ctx, cancel := call()
	defer cancel()
	runtime := cri.NewRuntimeServiceClient(c.conn)
	if _, err := runtime.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: sandbox}); err != nil {
		return fmt.Errorf("stop pod %s: %w", sandbox, err)
	}
	if _, err := runtime.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: sandbox}); err != nil {
		return fmt.Errorf("remove pod %s: %w", sandbox, err)
	}
	return nil
}

// remove ends pods and containerd and takes away what they leave.
func (c *Containerd) remove(t testing.TB) {
	t.Helper()
	if c.proc != nil && !c.proc.exited() {
		c.removePods()
	}
	c.Stop()
	if c.conn != nil {
		c.conn.Close()
	}
	killMentioning(c.dir)
	defer c.lock.last(func() { removeCgroups("kubepods", c.podGroups()) })
	if err := unmountBelow(c.dir); err != nil {
		t.Errorf("containerd: %v", err)
		return // never delete through a mount
	}
	if err := os.RemoveAll(c.dir); err != nil {
		t.Errorf("containerd: %v", err)
	}
}

// podGroups are the groups of the pods, below kubepods.
func (c *Containerd) podGroups() []string {
	groups := make([]string, 0, len(c.pods)+1)
	for _, uid := range c.pods {
		groups = append(groups, "besteffort/pod"+uid)
	}
	return append(groups, "besteffort")
}

func (c *Containerd) removePods() {
	ctx, cancel := call()
	defer cancel()
	list, err := cri.NewRuntimeServiceClient(c.conn).ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
	if err != nil {
		return
	}
	for _, pod := range list.GetItems() {
		_ = c.removePod(pod.GetId())
	}
}

func with(a, b map[string]string) map[string]string {
	all := make(map[string]string, len(a)+len(b))
	for _, m := range []map[string]string{a, b} {
		maps.Copy(all, m)
	}
	return all
}
