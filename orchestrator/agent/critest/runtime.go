// Package critest is a container runtime in memory for tests: it keeps CRI's
// promises, runs containers as their commands say, and fails when told to.
package critest

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Runtime is the runtime. Methods that CRI has and this does not panic.
type Runtime struct {
	cri.RuntimeServiceClient

	// Behave says how a container acts; nil: as its command says, see Behaviour.
	Behave func(config *cri.ContainerConfig) Behaviour

	mu          sync.Mutex // guards what follows
	fault       func(method string) (err error, late bool)
	next        int
	sandboxes   map[string]*sandbox
	containers  map[string]*container
	subscribers map[*stream]bool
	violations  []string
	starts      map[string]int // by container id
	execs       []string
}

// Behaviour is how a container acts once started.
type Behaviour struct {
	// RunFor is when it ends by itself; 0 for never.
	RunFor time.Duration
	// ExitCode is its code when it ends by itself.
	ExitCode int32
	// StopAfter is how long it takes to end after SIGTERM, with code 0; below 0
	// it does not listen and is killed.
	StopAfter time.Duration
}

type sandbox struct {
	status *cri.PodSandboxStatus
	config *cri.PodSandboxConfig
}

type container struct {
	status  *cri.ContainerStatus
	sandbox string
	config  *cri.ContainerConfig
	act     Behaviour
	exited  chan struct{}
	timer   *time.Timer
}

// podUID is the label that names a container's pod.
const podUID = "io.kubernetes.pod.uid"

// New returns an empty runtime.
func New() *Runtime {
	return &Runtime{
		sandboxes: make(map[string]*sandbox), containers: make(map[string]*container),
		subscribers: make(map[*stream]bool), starts: make(map[string]int),
	}
}

// Violations are the promises that the runtime's user broke, such as two live
// containers of one name in a pod.
func (r *Runtime) Violations() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.violations...)
}

// SetFault has f asked before each call, named by its CRI method: the error is
// returned instead of an answer, after the work was done if late is set. nil
// for no faults. f may sleep.
func (r *Runtime) SetFault(f func(method string) (err error, late bool)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = f
}

func (r *Runtime) call(method string, work func() error) error {
	var err error
	late := false
	r.mu.Lock()
	fault := r.fault
	r.mu.Unlock()
	if fault != nil {
		err, late = fault(method)
	}
	if err != nil && !late {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if workErr := work(); workErr != nil {
		return workErr
	}
	return err
}

func notFound(what, id string) error {
	return status.Errorf(codes.NotFound, "%s %q not found", what, id)
}

func (r *Runtime) id(prefix string) string {
	r.next++
	return fmt.Sprintf("%s%06d", prefix, r.next)
}

func now() int64 { return time.Now().UnixNano() }

// RunPodSandbox makes a ready sandbox with an address of its own.
func (r *Runtime) RunPodSandbox(_ context.Context, in *cri.RunPodSandboxRequest, _ ...grpc.CallOption) (*cri.RunPodSandboxResponse, error) {
	var id string
	err := r.call("RunPodSandbox", func() error {
		config := in.GetConfig()
		for _, s := range r.sandboxes {
			if s.config.GetMetadata().GetUid() == config.GetMetadata().GetUid() && s.config.GetMetadata().GetAttempt() == config.GetMetadata().GetAttempt() {
				return status.Errorf(codes.Unknown, "failed to reserve sandbox name: it is reserved for %q", s.status.Id)
			}
		}
		id = r.id("sandbox")
		s := &cri.PodSandboxStatus{
			Id: id, Metadata: config.GetMetadata(), State: cri.PodSandboxState_SANDBOX_READY, CreatedAt: now(),
			Labels: maps.Clone(config.GetLabels()), Annotations: maps.Clone(config.GetAnnotations()),
			Linux: &cri.LinuxPodSandboxStatus{Namespaces: &cri.Namespace{Options: config.GetLinux().GetSecurityContext().GetNamespaceOptions()}},
		}
		if s.GetLinux().GetNamespaces().GetOptions().GetNetwork() != cri.NamespaceMode_NODE {
			s.Network = &cri.PodSandboxNetworkStatus{Ip: fmt.Sprintf("10.244.%d.%d", r.next/250, r.next%250+2)}
		}
		r.sandboxes[id] = &sandbox{status: s, config: config}
		r.emit(id, id, cri.ContainerEventType_CONTAINER_STARTED_EVENT)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &cri.RunPodSandboxResponse{PodSandboxId: id}, nil
}

// StopPodSandbox kills what runs in the sandbox.
func (r *Runtime) StopPodSandbox(_ context.Context, in *cri.StopPodSandboxRequest, _ ...grpc.CallOption) (*cri.StopPodSandboxResponse, error) {
	err := r.call("StopPodSandbox", func() error {
		s := r.sandboxes[in.GetPodSandboxId()]
		if s == nil {
			return nil
		}
		for id, c := range r.containers {
			if c.sandbox == s.status.Id && c.status.State == cri.ContainerState_CONTAINER_RUNNING {
				r.exit(id, 137)
			}
		}
		if s.status.State == cri.PodSandboxState_SANDBOX_READY {
			s.status.State = cri.PodSandboxState_SANDBOX_NOTREADY
			r.emit(s.status.Id, s.status.Id, cri.ContainerEventType_CONTAINER_STOPPED_EVENT)
		}
		return nil
	})
	return &cri.StopPodSandboxResponse{}, err
}

// RemovePodSandbox removes the sandbox and everything in it.
func (r *Runtime) RemovePodSandbox(_ context.Context, in *cri.RemovePodSandboxRequest, _ ...grpc.CallOption) (*cri.RemovePodSandboxResponse, error) {
	err := r.call("RemovePodSandbox", func() error {
		s := r.sandboxes[in.GetPodSandboxId()]
		if s == nil {
			return nil
		}
		if s.status.State == cri.PodSandboxState_SANDBOX_READY {
			return status.Error(codes.Unknown, "sandbox is not stopped")
		}
		for id, c := range r.containers {
			if c.sandbox == s.status.Id {
				delete(r.containers, id)
			}
		}
		delete(r.sandboxes, s.status.Id)
		return nil
	})
	return &cri.RemovePodSandboxResponse{}, err
}

// CreateContainer makes a container in a ready sandbox.
func (r *Runtime) CreateContainer(_ context.Context, in *cri.CreateContainerRequest, _ ...grpc.CallOption) (*cri.CreateContainerResponse, error) {
	var id string
	err := r.call("CreateContainer", func() error {
		s := r.sandboxes[in.GetPodSandboxId()]
		if s == nil || s.status.State != cri.PodSandboxState_SANDBOX_READY {
			return notFound("ready sandbox", in.GetPodSandboxId())
		}
		config := in.GetConfig()
		for _, c := range r.containers {
			if c.config.GetLabels()[podUID] == config.GetLabels()[podUID] && c.config.GetMetadata().GetName() == config.GetMetadata().GetName() && c.config.GetMetadata().GetAttempt() == config.GetMetadata().GetAttempt() {
				return status.Errorf(codes.Unknown, "failed to reserve container name: it is reserved for %q", c.status.Id)
			}
		}
		id = r.id("container")
		c := &container{sandbox: s.status.Id, config: config, act: r.behave(config), exited: make(chan struct{}), status: &cri.ContainerStatus{
			Id: id, Metadata: config.GetMetadata(), State: cri.ContainerState_CONTAINER_CREATED, CreatedAt: now(),
			Image: config.GetImage(), ImageRef: config.GetImage().GetImage(),
			Labels: maps.Clone(config.GetLabels()), Annotations: maps.Clone(config.GetAnnotations()),
			Mounts: config.GetMounts(), LogPath: s.config.GetLogDirectory() + "/" + config.GetLogPath(),
		}}
		r.containers[id] = c
		r.emit(s.status.Id, id, cri.ContainerEventType_CONTAINER_CREATED_EVENT)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &cri.CreateContainerResponse{ContainerId: id}, nil
}

// behave reads a container's command: "run" for ever, "exit CODE DURATION",
// "stubborn" for one that ignores SIGTERM.
func (r *Runtime) behave(config *cri.ContainerConfig) Behaviour {
	if r.Behave != nil {
		return r.Behave(config)
	}
	command := config.GetCommand()
	if len(command) == 0 {
		return Behaviour{}
	}
	switch command[0] {
	case "stubborn":
		return Behaviour{StopAfter: -1}
	case "exit":
		var b Behaviour
		_, _ = fmt.Sscan(command[1], &b.ExitCode)
		b.RunFor, _ = time.ParseDuration(command[2])
		return b
	}
	return Behaviour{}
}

// StartContainer starts a created container.
func (r *Runtime) StartContainer(_ context.Context, in *cri.StartContainerRequest, _ ...grpc.CallOption) (*cri.StartContainerResponse, error) {
	err := r.call("StartContainer", func() error {
		id := in.GetContainerId()
		c := r.containers[id]
		if c == nil {
			return notFound("container", id)
		}
		if c.status.State != cri.ContainerState_CONTAINER_CREATED {
			return status.Errorf(codes.Unknown, "container is in %s state", c.status.State)
		}
		r.checkAlone(c)
		c.status.State, c.status.StartedAt = cri.ContainerState_CONTAINER_RUNNING, now()
		r.starts[id]++
		if c.act.RunFor > 0 {
			c.timer = time.AfterFunc(c.act.RunFor, func() { r.exitNow(id, c.act.ExitCode) })
		}
		r.emit(c.sandbox, id, cri.ContainerEventType_CONTAINER_STARTED_EVENT)
		return nil
	})
	return &cri.StartContainerResponse{}, err
}

// checkAlone notes when a container of the same pod and name runs already.
func (r *Runtime) checkAlone(c *container) {
	uid, name := c.config.GetLabels()[podUID], c.config.GetMetadata().GetName()
	for id, other := range r.containers {
		if other.status.State == cri.ContainerState_CONTAINER_RUNNING && other.config.GetLabels()[podUID] == uid && other.config.GetMetadata().GetName() == name {
			r.violations = append(r.violations, fmt.Sprintf("container %s of pod %s started as %s while %s runs", name, uid, c.status.Id, id))
		}
	}
}

func (r *Runtime) exitNow(id string, code int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exit(id, code)
}

// exit ends a running container; mu is held.
func (r *Runtime) exit(id string, code int32) {
	c := r.containers[id]
	if c == nil || c.status.State != cri.ContainerState_CONTAINER_RUNNING {
		return
	}
	c.status.State, c.status.FinishedAt, c.status.ExitCode = cri.ContainerState_CONTAINER_EXITED, now(), code
	c.status.Reason = "Completed"
	if code != 0 {
		c.status.Reason = "Error"
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	close(c.exited)
	r.emit(c.sandbox, id, cri.ContainerEventType_CONTAINER_STOPPED_EVENT)
}

// StopContainer ends a container as it wants to, and kills it after the timeout.
func (r *Runtime) StopContainer(ctx context.Context, in *cri.StopContainerRequest, _ ...grpc.CallOption) (*cri.StopContainerResponse, error) {
	var running *container
	err := r.call("StopContainer", func() error {
		c := r.containers[in.GetContainerId()]
		if c != nil && c.status.State == cri.ContainerState_CONTAINER_RUNNING {
			running = c
		}
		return nil
	})
	if err != nil || running == nil {
		return &cri.StopContainerResponse{}, err
	}
	patience := time.Duration(in.GetTimeout()) * time.Second
	code := int32(137)
	if stop := running.act.StopAfter; stop >= 0 && stop <= patience {
		patience, code = stop, 0
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-timer.C:
		r.exitNow(in.GetContainerId(), code)
	case <-running.exited:
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	return &cri.StopContainerResponse{}, nil
}

// RemoveContainer removes a container, killing it first.
func (r *Runtime) RemoveContainer(_ context.Context, in *cri.RemoveContainerRequest, _ ...grpc.CallOption) (*cri.RemoveContainerResponse, error) {
	err := r.call("RemoveContainer", func() error {
		c := r.containers[in.GetContainerId()]
		if c == nil {
			return nil
		}
		if c.status.State == cri.ContainerState_CONTAINER_RUNNING {
			r.violations = append(r.violations, "running container removed: "+c.status.Id)
		}
		r.exit(in.GetContainerId(), 137)
		delete(r.containers, in.GetContainerId())
		r.emit(c.sandbox, in.GetContainerId(), cri.ContainerEventType_CONTAINER_DELETED_EVENT)
		return nil
	})
	return &cri.RemoveContainerResponse{}, err
}

// ExecSync succeeds, and notes the command.
func (r *Runtime) ExecSync(_ context.Context, in *cri.ExecSyncRequest, _ ...grpc.CallOption) (*cri.ExecSyncResponse, error) {
	err := r.call("ExecSync", func() error {
		r.execs = append(r.execs, fmt.Sprint(in.GetCmd()))
		return nil
	})
	return &cri.ExecSyncResponse{}, err
}
