// Package observed tells what the container runtime has of a pod, in terms of
// the labels and annotations that the agent puts on sandboxes and containers.
package observed

import (
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Pod is what the runtime has of one pod. It is never changed after Read has
// returned it.
type Pod struct {
	UID             types.UID
	Namespace, Name string
	// Sandboxes and Containers are sorted: the newest first.
	Sandboxes  []Sandbox
	Containers []Container
}

// Sandbox is one pod sandbox.
type Sandbox struct {
	ID      string
	Attempt uint32
	Created time.Time
	Ready   bool
	// HostNetwork says that it has no network of its own.
	HostNetwork bool
	// IPs are the addresses that the runtime gave; none on the host's network.
	IPs []string
}

// State is where a container is in its life.
type State int

// The states of CRI, in its order of life.
const (
	Created State = iota
	Running
	Exited
	Unknown
)

// String is the state as Kubernetes' messages name it.
func (s State) String() string {
	return [...]string{"created", "running", "exited", "unknown"}[s]
}

// Container is one container, alive or dead.
type Container struct {
	ID, Name, SandboxID string
	State               State
	// Hash tells specs apart for which the container must be made anew.
	Hash string
	// Restarts counts the containers of that name before this one.
	Restarts int32
	// Image is what was asked for, ImageID what Kubernetes shows of it.
	Image, ImageID string
	User           *runtimeapi.ContainerUser
	// Times are zero before they come. ExitCode, Reason and Message belong to
	// an exited container; the message includes the termination message.
	Created, Started, Finished time.Time
	ExitCode                   int32
	Reason, Message            string
	// Kill is what ending the container takes when its pod's object is gone.
	Kill Kill
	// MessageFile is the termination message's path on this host, or "".
	MessageFile string
}

// Kill is how a container wants to be ended.
type Kill struct {
	// Grace is the pod's grace period; nil when it was not recorded.
	Grace   *int64
	PreStop *v1.LifecycleHandler
	Ports   []v1.ContainerPort
}

// Alive says that processes of the container may exist.
func (c *Container) Alive() bool { return c.State == Running || c.State == Unknown }

// Latest is the newest container of that name, or nil.
func (p *Pod) Latest(name string) *Container {
	for i := range p.Containers {
		if p.Containers[i].Name == name {
			return &p.Containers[i]
		}
	}
	return nil
}

// ByID is the container with that id, or nil.
func (p *Pod) ByID(id string) *Container {
	for i := range p.Containers {
		if p.Containers[i].ID == id {
			return &p.Containers[i]
		}
	}
	return nil
}

// Alive are the containers whose processes may exist.
func (p *Pod) Alive() []*Container {
	var alive []*Container
	for i := range p.Containers {
		if p.Containers[i].Alive() {
			alive = append(alive, &p.Containers[i])
		}
	}
	return alive
}

// ReadySandbox is the newest sandbox if it is ready, or nil.
func (p *Pod) ReadySandbox() *Sandbox {
	if len(p.Sandboxes) == 0 || !p.Sandboxes[0].Ready {
		return nil
	}
	return &p.Sandboxes[0]
}

// AnySandboxReady says that some sandbox still runs.
func (p *Pod) AnySandboxReady() bool {
	for i := range p.Sandboxes {
		if p.Sandboxes[i].Ready {
			return true
		}
	}
	return false
}

// Empty says that the runtime has nothing of the pod.
func (p *Pod) Empty() bool { return len(p.Sandboxes) == 0 && len(p.Containers) == 0 }
