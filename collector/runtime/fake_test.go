package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// fakeDocker speaks the Engine's API on a unix socket.
type fakeDocker struct {
	mu         sync.Mutex // guards what follows
	containers map[string]map[string]any
	sandboxes  []map[string]any // answers to a list
	asked      []string
	hang       chan struct{} // when not nil, answers wait for it
}

func newFakeDocker(t *testing.T) (fake *fakeDocker, socket string) {
	t.Helper()
	fake = &fakeDocker{containers: make(map[string]map[string]any)}
	socket = filepath.Join(shortDir(t), "docker.sock")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: fake}}
	server.Start()
	t.Cleanup(server.Close)
	return fake, socket
}

// shortDir is a directory whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rt")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func (f *fakeDocker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked = append(f.asked, r.URL.Path)
	hang := f.hang
	id := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/containers/"), "/json")
	var answer any = f.sandboxes
	if r.URL.Path != "/containers/json" {
		c, ok := f.containers[id]
		if answer = c; !ok {
			answer = nil
		}
	}
	f.mu.Unlock()
	if hang != nil {
		<-hang
	}
	if answer == nil {
		w.WriteHeader(http.StatusNotFound)
		answer = map[string]string{"message": "No such container: " + id}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (f *fakeDocker) set(id string, c map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.containers[id] = c
}

func (f *fakeDocker) requests() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked)
}

// dockerContainer is an inspection, with the fields that matter and some that
// do not.
func dockerContainer(id, name string, pid int, labels map[string]string) map[string]any {
	return map[string]any{
		"Id": id, "Name": "/" + name, "Image": "sha256:abc", "Driver": "overlay2", "RestartCount": 0,
		"LogPath":     "/var/lib/docker/containers/" + id + "/" + id + "-json.log",
		"State":       map[string]any{"Status": "running", "Running": pid > 0, "Pid": pid, "StartedAt": "2026-11-24T10:00:00.123456789Z"},
		"Config":      map[string]any{"Image": "nginx:1.29", "Labels": labels, "Env": []string{"A=b"}},
		"HostConfig":  map[string]any{"LogConfig": map[string]any{"Type": "json-file", "Config": map[string]string{}}, "NetworkMode": "default"},
		"GraphDriver": map[string]any{"Name": "overlay2", "Data": map[string]string{"UpperDir": "/var/lib/docker/overlay2/x/diff", "WorkDir": "/w"}},
	}
}

// fakeCRI speaks the container runtime interface on a unix socket.
type fakeCRI struct {
	cri.UnimplementedRuntimeServiceServer
	mu         sync.Mutex // guards what follows
	containers map[string]*cri.ContainerStatusResponse
	sandboxes  map[string]*cri.PodSandboxStatusResponse
	sandboxOf  map[string]string
	calls      int
}

func newFakeCRI(t *testing.T) (fake *fakeCRI, socket string) {
	t.Helper()
	fake = &fakeCRI{
		containers: make(map[string]*cri.ContainerStatusResponse), sandboxes: make(map[string]*cri.PodSandboxStatusResponse),
		sandboxOf: make(map[string]string),
	}
	socket = filepath.Join(shortDir(t), "cri.sock")
	fake.listen(t, socket)
	return fake, socket
}

func (f *fakeCRI) listen(t *testing.T, socket string) {
	t.Helper()
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := grpc.NewServer()
	cri.RegisterRuntimeServiceServer(server, f)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-done)
	})
}

func (f *fakeCRI) ContainerStatus(_ context.Context, r *cri.ContainerStatusRequest) (*cri.ContainerStatusResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	answer, ok := f.containers[r.GetContainerId()]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "container %q not found", r.GetContainerId())
	}
	return answer, nil
}

func (f *fakeCRI) PodSandboxStatus(_ context.Context, r *cri.PodSandboxStatusRequest) (*cri.PodSandboxStatusResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	answer, ok := f.sandboxes[r.GetPodSandboxId()]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "sandbox %q not found", r.GetPodSandboxId())
	}
	return answer, nil
}

func (f *fakeCRI) ListContainers(_ context.Context, r *cri.ListContainersRequest) (*cri.ListContainersResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := r.GetFilter().GetId()
	if sandbox, ok := f.sandboxOf[id]; ok {
		return &cri.ListContainersResponse{Containers: []*cri.Container{{Id: id, PodSandboxId: sandbox}}}, nil
	}
	return &cri.ListContainersResponse{}, nil
}

func (f *fakeCRI) ListPodSandbox(_ context.Context, r *cri.ListPodSandboxRequest) (*cri.ListPodSandboxResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answer := &cri.ListPodSandboxResponse{}
	for id, s := range f.sandboxes {
		if s.GetStatus().GetLabels()[labelPodUID] == r.GetFilter().GetLabelSelector()[labelPodUID] {
			answer.Items = append(answer.Items, &cri.PodSandbox{
				Id: id, Metadata: s.GetStatus().GetMetadata(), Labels: s.GetStatus().GetLabels(), CreatedAt: s.GetStatus().GetCreatedAt(),
			})
		}
	}
	return answer, nil
}

// addPod adds a sandbox and one container in it.
func (f *fakeCRI) addPod(sandbox, container string, inInfo bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	meta := &cri.PodSandboxMetadata{Name: "db-0", Namespace: "prod", Uid: uid}
	labels := map[string]string{"app": "db", labelPodName: "db-0", labelPodNamespace: "prod", labelPodUID: uid}
	f.sandboxes[sandbox] = &cri.PodSandboxStatusResponse{
		Status: &cri.PodSandboxStatus{Id: sandbox, Metadata: meta, State: cri.PodSandboxState_SANDBOX_READY, CreatedAt: 1_764_000_000_000_000_000, Labels: labels},
		Info:   map[string]string{"info": `{"pid": 77, "runtimeSpec": {}}`},
	}
	info := `{"pid": 78}`
	if inInfo {
		info = fmt.Sprintf(`{"sandboxID": %q, "pid": 78, "snapshotter": "overlayfs"}`, sandbox)
	}
	f.sandboxOf[container] = sandbox
	f.containers[container] = &cri.ContainerStatusResponse{
		Status: &cri.ContainerStatus{
			Id: container, Metadata: &cri.ContainerMetadata{Name: "db", Attempt: 2}, State: cri.ContainerState_CONTAINER_RUNNING,
			StartedAt: 1_764_000_001_000_000_000, Image: &cri.ImageSpec{Image: "postgres:18"}, ImageRef: "sha256:f00",
			LogPath: "/var/log/pods/prod_db-0_" + uid + "/db/2.log", Labels: map[string]string{labelContainerName: "db"},
		},
		Info: map[string]string{"info": info},
	}
}
