package critest

import (
	"maps"
	"slices"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Running are the ids of the running containers of a pod, by name.
func (r *Runtime) Running(uid string) map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	running := make(map[string]string)
	for id, c := range r.containers {
		if c.status.State == cri.ContainerState_CONTAINER_RUNNING && c.status.Labels[podUID] == uid {
			running[c.config.GetMetadata().GetName()] = id
		}
	}
	return running
}

// Left is how many sandboxes and containers the runtime has of a pod.
func (r *Runtime) Left(uid string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, s := range r.sandboxes {
		if s.config.GetMetadata().GetUid() == uid {
			n++
		}
	}
	for _, c := range r.containers {
		if c.status.Labels[podUID] == uid {
			n++
		}
	}
	return n
}

// Pods are the uids of all pods of which something is left.
func (r *Runtime) Pods() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	uids := make(map[string]bool)
	for _, s := range r.sandboxes {
		uids[s.config.GetMetadata().GetUid()] = true
	}
	return slices.Sorted(maps.Keys(uids))
}

// Exit ends the container as if by itself.
func (r *Runtime) Exit(id string, code int32) { r.exitNow(id, code) }

// KillSandbox ends a pod's newest sandbox as if it died.
func (r *Runtime) KillSandbox(uid string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sandboxes {
		if s.config.GetMetadata().GetUid() == uid && s.status.State == cri.PodSandboxState_SANDBOX_READY {
			s.status.State = cri.PodSandboxState_SANDBOX_NOTREADY
			for id, c := range r.containers {
				if c.sandbox == s.status.Id {
					r.exit(id, 137)
				}
			}
			r.emit(s.status.Id, s.status.Id, cri.ContainerEventType_CONTAINER_STOPPED_EVENT)
		}
	}
}

// Started is how often the container with that id was started.
func (r *Runtime) Started(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.starts[id]
}

// Execs are the commands of ExecSync so far.
func (r *Runtime) Execs() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.execs)
}

// Config is the configuration that a container was created with.
func (r *Runtime) Config(id string) *cri.ContainerConfig {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.containers[id].config
}
