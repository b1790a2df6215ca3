package runtime

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/orchestrator/runtime/imagefile"
	"github.com/lubberline/lubberline/test/peers"
)

// started is a runtime under test that can be left and come back to.
type started struct {
	*Runtime
	stop context.CancelFunc
	done chan error
}

func options(t *testing.T) Options {
	dir := t.TempDir()
	return Options{
		BinDir: peers.RuntimePrograms(t), DataDir: filepath.Join(dir, "data"),
		Network: Network{Bridge: "lubruntime0", Subnet: netip.MustParsePrefix("10.245.7.0/24"), Cluster: netip.MustParsePrefix("10.245.0.0/16")},
		Logger:  slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func start(t *testing.T, o Options) *started {
	t.Helper()
	r, err := New(o)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	s := &started{Runtime: r, stop: stop, done: make(chan error, 1)}
	go func() { s.done <- r.Run(ctx) }()
	select {
	case <-r.Ready():
	case <-time.After(time.Minute):
		stop()
		t.Fatal("the runtime does not become ready")
	}
	return s
}

func (s *started) leave(t *testing.T) {
	t.Helper()
	s.stop()
	require.NoError(t, <-s.done)
}

func (s *started) pid(t *testing.T) int {
	t.Helper()
	id, ok := s.process.running()
	require.True(t, ok)
	return id.PID
}

func TestPodsOutliveThisProcessAndContainerd(t *testing.T) {
	peers.RequireReal(t)
	o := options(t)
	t.Cleanup(func() {
		require.NoError(t, Remove(context.Background(), o))
		removeCgroup(t)
	})

	first := start(t, o)
	pod := runPod(t, first.Socket())
	pid := first.pid(t)
	first.leave(t)

	second := start(t, o)
	require.Equal(t, pid, second.pid(t), "the running containerd is taken over")
	requireAlive(t, second.Socket(), pod)

	require.NoError(t, unix.Kill(pid, unix.SIGKILL))
	require.Eventually(t, func() bool { id, ok := second.process.running(); return ok && id.PID != pid }, 30*time.Second, 20*time.Millisecond)
	require.NoError(t, awaitCRI(t.Context(), second.Socket()))
	requireAlive(t, second.Socket(), pod)
	second.leave(t)

	require.NoError(t, Remove(t.Context(), o))
	require.NoDirExists(t, StateDirOf(o.DataDir))
}

func TestImagesWithoutARegistry(t *testing.T) {
	peers.RequireReal(t)
	o := options(t)
	t.Cleanup(func() { require.NoError(t, Remove(context.Background(), o)) })
	r := start(t, o)
	defer r.leave(t)
	images := Images{BinDir: o.BinDir, Socket: r.Socket()}

	busybox, err := exec.LookPath("busybox")
	require.NoError(t, err)
	image, err := imagefile.Busybox(busybox, "registry.k8s.io/test/busybox:1")
	require.NoError(t, err)
	var archive bytes.Buffer
	require.NoError(t, image.Write(&archive))
	require.NoError(t, images.Import(t.Context(), &archive))

	list, err := images.List(t.Context())
	require.NoError(t, err)
	var names []string
	for _, i := range list {
		names = append(names, i.GetRepoTags()...)
		require.True(t, i.GetPinned(), i.GetRepoTags())
	}
	require.ElementsMatch(t, []string{SandboxImage, "registry.k8s.io/test/busybox:1"}, names)

	require.ErrorContains(t, images.Import(t.Context(), bytes.NewReader([]byte("no archive"))), "import images into "+r.Socket())
}

func TestAMissingProgramIsNamed(t *testing.T) {
	_, err := FindPrograms(t.TempDir())
	require.ErrorContains(t, err, "containerd-shim-runc-v2")
	require.ErrorContains(t, err, "make runtime")
}

func TestAnotherProcessWithTheSameNumberIsNotOurs(t *testing.T) {
	s := &supervised{pidFile: filepath.Join(t.TempDir(), "pid")}
	require.NoError(t, s.remember(identity{PID: os.Getpid(), Start: 1}))
	_, ok := s.running()
	require.False(t, ok)
}

// cgroup is where this test's pods are.
const cgroup = "/lubberline-runtimetest"

func removeCgroup(t *testing.T) {
	for _, pattern := range []string{"/sys/fs/cgroup" + cgroup, "/sys/fs/cgroup/*" + cgroup} {
		dirs, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, dir := range dirs {
			require.NoError(t, unix.Rmdir(dir))
		}
	}
}

func runPod(t *testing.T, socket string) string {
	t.Helper()
	conn, err := dial(socket)
	require.NoError(t, err)
	defer conn.Close()
	answer, err := cri.NewRuntimeServiceClient(conn).RunPodSandbox(t.Context(), &cri.RunPodSandboxRequest{Config: &cri.PodSandboxConfig{
		Metadata: &cri.PodSandboxMetadata{Name: "p", Namespace: "default", Uid: "1"},
		Linux: &cri.LinuxPodSandboxConfig{
			CgroupParent: cgroup, SecurityContext: &cri.LinuxSandboxSecurityContext{NamespaceOptions: &cri.NamespaceOption{Pid: cri.NamespaceMode_CONTAINER}},
		},
	}})
	require.NoError(t, err)
	return answer.GetPodSandboxId()
}

func requireAlive(t *testing.T, socket, pod string) {
	t.Helper()
	conn, err := dial(socket)
	require.NoError(t, err)
	defer conn.Close()
	answer, err := cri.NewRuntimeServiceClient(conn).PodSandboxStatus(t.Context(), &cri.PodSandboxStatusRequest{PodSandboxId: pod})
	require.NoError(t, err)
	require.Equal(t, cri.PodSandboxState_SANDBOX_READY, answer.GetStatus().GetState())
	require.NotEmpty(t, answer.GetStatus().GetNetwork().GetIp())
}
