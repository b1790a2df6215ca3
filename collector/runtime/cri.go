package runtime

import (
	"context"
	"encoding/json"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/collector/reading"
)

// criClient asks a runtime that speaks the Kubernetes container runtime
// interface. The connection is made with the first question, and given up when
// there have been none for a while.
type criClient struct {
	runtime string
	proc    string
	conn    *grpc.ClientConn
	service cri.RuntimeServiceClient
}

func newCRI(runtime, socket, proc string) (*criClient, error) {
	conn, err := grpc.NewClient("unix:"+socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithIdleTimeout(30*time.Second),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{
			BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second,
		}}),
	)
	if err != nil {
		return nil, err
	}
	return &criClient{runtime: runtime, proc: proc, conn: conn, service: cri.NewRuntimeServiceClient(conn)}, nil
}

func (c *criClient) close() error { return c.conn.Close() }

// details is what a verbose answer adds; containerd and CRI-O agree on these.
type details struct {
	PID       int    `json:"pid"`
	SandboxID string `json:"sandboxID"`
}

// detailsOf reads the "info" of a verbose answer. What is not there stays zero.
func detailsOf(info map[string]string) (d details) {
	_ = json.Unmarshal([]byte(info["info"]), &d) // its form is the runtime's own
	return d
}

func (c *criClient) container(ctx context.Context, id string) (*reading.Identity, bool, error) {
	answer, err := c.service.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: id, Verbose: true})
	if status.Code(err) == codes.NotFound {
		return c.sandbox(ctx, id)
	}
	if err != nil {
		return nil, false, err
	}
	s, more := answer.GetStatus(), detailsOf(answer.GetInfo())
	pod, err := c.podOf(ctx, id, more.SandboxID)
	if err != nil {
		return nil, false, err
	}
	identity := c.identity(s.GetId(), more.PID, pod)
	identity.Container = s.GetMetadata().GetName()
	identity.Image = imageOf(s)
	if s.GetStartedAt() > 0 {
		identity.Started = time.Unix(0, s.GetStartedAt())
	}
	if path := s.GetLogPath(); filepath.IsAbs(path) {
		identity.LogPath, identity.LogFormat = path, reading.CRI
	}
	return identity, s.GetState() == cri.ContainerState_CONTAINER_RUNNING && more.PID > 0, nil
}

func (c *criClient) sandbox(ctx context.Context, id string) (*reading.Identity, bool, error) {
	answer, err := c.service.PodSandboxStatus(ctx, &cri.PodSandboxStatusRequest{PodSandboxId: id, Verbose: true})
	if status.Code(err) == codes.NotFound {
		return nil, false, errUnknown
	}
	if err != nil {
		return nil, false, err
	}
	s, more := answer.GetStatus(), detailsOf(answer.GetInfo())
	identity := c.identity(s.GetId(), more.PID, s)
	identity.Sandbox = true
	if s.GetCreatedAt() > 0 {
		identity.Started = time.Unix(0, s.GetCreatedAt())
	}
	return identity, s.GetState() == cri.PodSandboxState_SANDBOX_READY && more.PID > 0, nil
}

// podMetadata is what statuses and list entries of a sandbox have in common.
type podMetadata interface {
	GetMetadata() *cri.PodSandboxMetadata
	GetLabels() map[string]string
}

// identity fills in what containers and sandboxes have in common. Like
// cAdvisor, it takes the id for the runtime's name of a container.
func (c *criClient) identity(id string, pid int, pod podMetadata) *reading.Identity {
	identity := &reading.Identity{
		Runtime: c.runtime, ContainerID: id, Name: id, PID: pid,
		Namespace: pod.GetMetadata().GetNamespace(), Pod: pod.GetMetadata().GetName(), PodUID: pod.GetMetadata().GetUid(),
		Labels: podLabels(pod.GetLabels()),
	}
	if pid > 0 {
		identity.RootDir = writableLayer(c.proc, pid)
	}
	return identity
}

// podOf asks for the sandbox of a container; sandboxID is empty when the
// container's own answer did not name it.
func (c *criClient) podOf(ctx context.Context, id, sandboxID string) (podMetadata, error) {
	if sandboxID == "" {
		list, err := c.service.ListContainers(ctx, &cri.ListContainersRequest{Filter: &cri.ContainerFilter{Id: id}})
		if err != nil {
			return nil, err
		}
		if len(list.GetContainers()) == 0 {
			return nil, errUnknown
		}
		sandboxID = list.GetContainers()[0].GetPodSandboxId()
	}
	answer, err := c.service.PodSandboxStatus(ctx, &cri.PodSandboxStatusRequest{PodSandboxId: sandboxID})
	if err != nil {
		return nil, err
	}
	return answer.GetStatus(), nil
}

// imageOf is the image's name as the pod's author wrote it, if it is known.
func imageOf(s *cri.ContainerStatus) string {
	if name := s.GetImage().GetUserSpecifiedImage(); name != "" {
		return name
	}
	if name := s.GetImage().GetImage(); name != "" {
		return name
	}
	return s.GetImageRef()
}

// pod finds a pod's newest sandbox.
func (c *criClient) pod(ctx context.Context, uid string) (*reading.Identity, error) {
	list, err := c.service.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{
		Filter: &cri.PodSandboxFilter{LabelSelector: map[string]string{labelPodUID: uid}},
	})
	if err != nil {
		return nil, err
	}
	var newest *cri.PodSandbox
	for _, s := range list.GetItems() {
		if newest == nil || s.GetCreatedAt() > newest.GetCreatedAt() {
			newest = s
		}
	}
	if newest == nil {
		return nil, errUnknown
	}
	identity := c.identity("", 0, newest)
	return identity, nil
}
