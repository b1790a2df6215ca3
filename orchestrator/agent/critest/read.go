package critest

import (
	"context"
	"io"
	"maps"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func matches(labels, selector map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return true
}

// ListPodSandbox lists by label.
func (r *Runtime) ListPodSandbox(_ context.Context, in *cri.ListPodSandboxRequest, _ ...grpc.CallOption) (*cri.ListPodSandboxResponse, error) {
	out := &cri.ListPodSandboxResponse{}
	err := r.call("ListPodSandbox", func() error {
		for _, id := range slices.Sorted(maps.Keys(r.sandboxes)) {
			s := r.sandboxes[id].status
			if matches(s.Labels, in.GetFilter().GetLabelSelector()) {
				out.Items = append(out.Items, &cri.PodSandbox{Id: id, Metadata: s.Metadata, State: s.State, CreatedAt: s.CreatedAt, Labels: s.Labels})
			}
		}
		return nil
	})
	return out, err
}

// PodSandboxStatus tells of one sandbox.
func (r *Runtime) PodSandboxStatus(_ context.Context, in *cri.PodSandboxStatusRequest, _ ...grpc.CallOption) (*cri.PodSandboxStatusResponse, error) {
	out := &cri.PodSandboxStatusResponse{}
	err := r.call("PodSandboxStatus", func() error {
		s := r.sandboxes[in.GetPodSandboxId()]
		if s == nil {
			return notFound("sandbox", in.GetPodSandboxId())
		}
		out.Status = proto.CloneOf(s.status)
		return nil
	})
	return out, err
}

// ListContainers lists by label.
func (r *Runtime) ListContainers(_ context.Context, in *cri.ListContainersRequest, _ ...grpc.CallOption) (*cri.ListContainersResponse, error) {
	out := &cri.ListContainersResponse{}
	err := r.call("ListContainers", func() error {
		for _, id := range slices.Sorted(maps.Keys(r.containers)) {
			c := r.containers[id]
			if matches(c.status.Labels, in.GetFilter().GetLabelSelector()) {
				out.Containers = append(out.Containers, &cri.Container{
					Id: id, PodSandboxId: c.sandbox, Metadata: c.status.Metadata, State: c.status.State, CreatedAt: c.status.CreatedAt, Labels: c.status.Labels,
				})
			}
		}
		return nil
	})
	return out, err
}

// ContainerStatus tells of one container.
func (r *Runtime) ContainerStatus(_ context.Context, in *cri.ContainerStatusRequest, _ ...grpc.CallOption) (*cri.ContainerStatusResponse, error) {
	out := &cri.ContainerStatusResponse{}
	err := r.call("ContainerStatus", func() error {
		c := r.containers[in.GetContainerId()]
		if c == nil {
			return notFound("container", in.GetContainerId())
		}
		out.Status = proto.CloneOf(c.status)
		return nil
	})
	return out, err
}

// stream is one reader of events.
type stream struct {
	grpc.ClientStream
	ctx    context.Context
	events chan *cri.ContainerEventResponse
	broken chan struct{}
}

// maxBehind is how many events a reader may be behind before it loses some.
const maxBehind = 1000

// GetContainerEvents begins a stream of events.
func (r *Runtime) GetContainerEvents(ctx context.Context, _ *cri.GetEventsRequest, _ ...grpc.CallOption) (cri.RuntimeService_GetContainerEventsClient, error) {
	s := &stream{ctx: ctx, events: make(chan *cri.ContainerEventResponse, maxBehind), broken: make(chan struct{})}
	err := r.call("GetContainerEvents", func() error {
		r.subscribers[s] = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Recv waits for the next event.
func (s *stream) Recv() (*cri.ContainerEventResponse, error) {
	select {
	case event := <-s.events:
		return event, nil
	case <-s.broken:
		return nil, io.EOF
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
}

// BreakEvents ends all streams; what happens until they are opened again goes
// unheard.
func (r *Runtime) BreakEvents() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.subscribers {
		close(s.broken)
	}
	clear(r.subscribers)
}

// emit sends an event; mu is held.
func (r *Runtime) emit(sandbox, id string, kind cri.ContainerEventType) {
	event := &cri.ContainerEventResponse{ContainerId: id, ContainerEventType: kind, CreatedAt: now()}
	if s := r.sandboxes[sandbox]; s != nil {
		event.PodSandboxStatus = proto.CloneOf(s.status)
	}
	for s := range r.subscribers {
		select {
		case s.events <- event:
		default:
		}
	}
}
