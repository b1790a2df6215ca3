package reading

import "time"

// Container is one cgroup being watched, and what is known of it. The pointer
// identifies it for as long as the cgroup lives.
type Container struct {
	// ID is the cgroup path, "/docker/4f2…": cAdvisor's id label. It never changes.
	ID string
	// Created is when the cgroup was made.
	Created time.Time
	// Identity may be replaced, never changed in place; nil until resolved.
	// Owner: the sampler. Readers get it through sampler.View.
	Identity *Identity
	// Sample is the newest reading. Owner: the sampler; see View.
	Sample Sample
}

// Identity is what a container runtime says of a container, in Kubernetes'
// terms. On a machine without Kubernetes each container is a pod of its own:
// Namespace is the compose project or else the runtime's name, Pod is the
// container's name, Container is the compose service or else the name.
type Identity struct {
	// Runtime is "docker", "containerd", "cri-o" or "podman"; empty for a
	// system container (a systemd service or a raw cgroup).
	Runtime string
	// ContainerID is the runtime's full id (64 hex digits); empty for a pod's
	// own cgroup and for system containers.
	ContainerID string
	Name        string // the runtime's name of it
	Image       string
	Namespace   string
	Pod         string
	PodUID      string
	// Container is the container's name in the pod. It is empty for the pod's
	// own cgroup and for its sandbox, so that sums over container!="" are right.
	Container string
	// Sandbox says that this is the pod's sandbox ("pause"), which owns the
	// pod's network.
	Sandbox bool
	// Labels are the container's, or the pod's where Kubernetes runs it.
	Labels map[string]string
	// PID is a process inside, 0 when none is known; the way to its network.
	PID int
	// Started is when the runtime started it; zero when not known.
	Started time.Time
	// LogPath is the file its output goes to; empty when there is none.
	LogPath string
	// LogFormat says how that file is written.
	LogFormat LogFormat
	// RootDir is the writable layer's directory on the host; empty when not known.
	RootDir string
}

// LogFormat is how a container runtime writes a container's output to a file.
type LogFormat string

// The log formats.
const (
	DockerJSON LogFormat = "docker-json" // one JSON object a line: log, stream, time
	CRI        LogFormat = "cri"         // "time stream F|P text"
	Plain      LogFormat = "plain"       // a line is a record
)
