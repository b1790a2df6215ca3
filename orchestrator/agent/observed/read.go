package observed

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/apimachinery/pkg/types"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Runtime is what reading needs of CRI.
type Runtime interface {
	ListPodSandbox(context.Context, *runtimeapi.ListPodSandboxRequest, ...grpc.CallOption) (*runtimeapi.ListPodSandboxResponse, error)
	PodSandboxStatus(context.Context, *runtimeapi.PodSandboxStatusRequest, ...grpc.CallOption) (*runtimeapi.PodSandboxStatusResponse, error)
	ListContainers(context.Context, *runtimeapi.ListContainersRequest, ...grpc.CallOption) (*runtimeapi.ListContainersResponse, error)
	ContainerStatus(context.Context, *runtimeapi.ContainerStatusRequest, ...grpc.CallOption) (*runtimeapi.ContainerStatusResponse, error)
}

// Read asks the runtime for everything of one pod. What cannot change any more
// (exited containers, addresses) is taken from before, which may be nil.
func Read(ctx context.Context, runtime Runtime, uid types.UID, before *Pod) (*Pod, error) {
	if before == nil {
		before = &Pod{}
	}
	pod := &Pod{UID: uid}
	own := map[string]string{LabelPodUID: string(uid)}
	if err := pod.readSandboxes(ctx, runtime, own, before); err != nil {
		return nil, err
	}
	if err := pod.readContainers(ctx, runtime, own, before); err != nil {
		return nil, err
	}
	return pod, nil
}

func (p *Pod) readSandboxes(ctx context.Context, runtime Runtime, own map[string]string, before *Pod) error {
	list, err := runtime.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{Filter: &runtimeapi.PodSandboxFilter{LabelSelector: own}})
	if err != nil {
		return fmt.Errorf("list sandboxes of pod %s: %w", p.UID, err)
	}
	for _, item := range list.GetItems() {
		p.identify(item.GetLabels())
		sandbox, err := readSandbox(ctx, runtime, item, before)
		if notFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("status of sandbox %s: %w", item.GetId(), err)
		}
		p.Sandboxes = append(p.Sandboxes, sandbox)
	}
	slices.SortStableFunc(p.Sandboxes, func(a, b Sandbox) int { return b.Created.Compare(a.Created) })
	return nil
}

func readSandbox(ctx context.Context, runtime Runtime, item *runtimeapi.PodSandbox, before *Pod) (Sandbox, error) {
	sandbox := Sandbox{
		ID: item.GetId(), Attempt: item.GetMetadata().GetAttempt(), Created: at(item.GetCreatedAt()),
		Ready: item.GetState() == runtimeapi.PodSandboxState_SANDBOX_READY,
	}
	for _, old := range before.Sandboxes {
		if old.ID == sandbox.ID && old.Ready == sandbox.Ready {
			return old, nil
		}
	}
	answer, err := runtime.PodSandboxStatus(ctx, &runtimeapi.PodSandboxStatusRequest{PodSandboxId: sandbox.ID})
	if err != nil {
		return sandbox, err
	}
	state := answer.GetStatus()
	sandbox.Ready = state.GetState() == runtimeapi.PodSandboxState_SANDBOX_READY
	sandbox.HostNetwork = state.GetLinux().GetNamespaces().GetOptions().GetNetwork() == runtimeapi.NamespaceMode_NODE
	if ip := state.GetNetwork().GetIp(); ip != "" {
		sandbox.IPs = append(sandbox.IPs, ip)
	}
	for _, ip := range state.GetNetwork().GetAdditionalIps() {
		sandbox.IPs = append(sandbox.IPs, ip.GetIp())
	}
	return sandbox, nil
}

func (p *Pod) readContainers(ctx context.Context, runtime Runtime, own map[string]string, before *Pod) error {
	list, err := runtime.ListContainers(ctx, &runtimeapi.ListContainersRequest{Filter: &runtimeapi.ContainerFilter{LabelSelector: own}})
	if err != nil {
		return fmt.Errorf("list containers of pod %s: %w", p.UID, err)
	}
	for _, item := range list.GetContainers() {
		p.identify(item.GetLabels())
		container, err := readContainer(ctx, runtime, item, before)
		if notFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("status of container %s: %w", item.GetId(), err)
		}
		p.Containers = append(p.Containers, container)
	}
	slices.SortStableFunc(p.Containers, func(a, b Container) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.Restarts, a.Restarts))
	})
	return nil
}

func readContainer(ctx context.Context, runtime Runtime, item *runtimeapi.Container, before *Pod) (Container, error) {
	// An exited container stays as it is; a running one's facts do too, for as
	// long as it is listed as running.
	if old := before.ByID(item.GetId()); old != nil && old.State == stateOf(item.GetState()) && (old.State == Exited || old.State == Running) {
		return *old, nil
	}
	answer, err := runtime.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: item.GetId()})
	if err != nil {
		return Container{}, err
	}
	container := fromStatus(answer.GetStatus())
	container.SandboxID = item.GetPodSandboxId()
	return container, nil
}

func fromStatus(s *runtimeapi.ContainerStatus) Container {
	c := Container{
		ID: s.GetId(), Name: s.GetLabels()[LabelContainerName], State: stateOf(s.GetState()),
		Hash:     s.GetAnnotations()[annotationHash],
		Restarts: restartsOf(s.GetAnnotations(), s.GetMetadata().GetAttempt()),
		Image:    s.GetImage().GetImage(), ImageID: s.GetImageRef(),
		User:    s.GetUser(),
		Created: at(s.GetCreatedAt()), Kill: killOf(s.GetAnnotations()), MessageFile: messageFile(s),
	}
	if asked := s.GetImage().GetUserSpecifiedImage(); asked != "" && c.Image == "" {
		c.Image = asked
	}
	if c.State != Created {
		c.Started = at(s.GetStartedAt())
	}
	if c.State == Exited {
		c.Finished, c.ExitCode = at(s.GetFinishedAt()), s.GetExitCode()
		c.Reason, c.Message = s.GetReason(), s.GetMessage()
		if text := terminationMessage(s); text != "" && c.Message != "" {
			c.Message += ": " + text
		} else if text != "" {
			c.Message = text
		}
	}
	return c
}

func (p *Pod) identify(labels map[string]string) {
	p.Namespace, p.Name = labels[LabelPodNamespace], labels[LabelPodName]
}

func stateOf(s runtimeapi.ContainerState) State {
	switch s {
	case runtimeapi.ContainerState_CONTAINER_CREATED:
		return Created
	case runtimeapi.ContainerState_CONTAINER_RUNNING:
		return Running
	case runtimeapi.ContainerState_CONTAINER_EXITED:
		return Exited
	default:
		return Unknown
	}
}

// at is a time of CRI, nanoseconds since 1970; zero for none.
func at(nanoseconds int64) time.Time {
	if nanoseconds <= 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds)
}

func notFound(err error) bool { return status.Code(err) == codes.NotFound }
