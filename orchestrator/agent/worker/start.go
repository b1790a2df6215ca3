package worker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/observed"
	podstatus "github.com/lubberline/lubberline/orchestrator/agent/status"
)

// How long the runtime may take for one step. Making a sandbox includes its
// network.
const (
	sandboxTimeout = 4 * time.Minute
	createTimeout  = 2 * time.Minute
)

// trySandbox makes a sandbox unless the last attempt was a moment ago.
func (w *worker) trySandbox(ctx context.Context, attempt uint32) time.Time {
	if r := w.starts.sandbox; r.at.After(time.Now()) {
		return r.at
	}
	if attempt > 0 {
		w.o.Events.Event(podRef(w.pod), v1.EventTypeNormal, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
	}
	pod, old := w.pod, w.seen.Sandboxes
	w.spawnStart(ctx, "", func(ctx context.Context) func() {
		err := w.makeSandbox(ctx, pod, attempt, old)
		cancelled := ctx.Err() != nil
		return func() {
			switch {
			case err == nil:
				w.starts.sandbox = retry{}
			case !cancelled:
				w.o.Events.Event(podRef(pod), v1.EventTypeWarning, err.reason, err.message)
				w.log.Warn("pod not set up", "reason", err.reason, "error", err.message)
				w.starts.sandbox.fail(time.Now())
			}
		}
	})
	return time.Time{}
}

// failed is a step that did not succeed, in the words of the API.
type failed struct{ reason, message string }

// makeSandbox makes what containers need to start in: control group, volumes,
// sandbox.
func (w *worker) makeSandbox(ctx context.Context, pod *v1.Pod, attempt uint32, old []observed.Sandbox) *failed {
	for _, sandbox := range old {
		if !sandbox.Ready {
			continue
		}
		if _, err := w.o.Runtime.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: sandbox.ID}); err != nil {
			return &failed{"FailedKillPod", "error killing pod: " + message(err)}
		}
	}
	parent, err := w.o.Cgroups.Ensure(pod)
	if err != nil {
		return &failed{"FailedCreatePodContainer", fmt.Sprintf("unable to ensure pod container exists: %v", err)}
	}
	if _, err := w.o.Volumes.Mount(ctx, pod); err != nil {
		return &failed{"FailedMount", err.Error()}
	}
	config, err := w.o.sandboxConfig(pod, attempt, parent)
	if err != nil {
		return &failed{"FailedCreatePodSandBox", fmt.Sprintf("Failed to create pod sandbox: %v", err)}
	}
	if err := os.MkdirAll(config.LogDirectory, 0o755); err != nil {
		return &failed{"FailedCreatePodSandBox", fmt.Sprintf("Failed to create pod sandbox: %v", err)}
	}
	release, err := w.pods.slot(ctx)
	if err != nil {
		return &failed{"FailedCreatePodSandBox", err.Error()}
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, sandboxTimeout)
	defer cancel()
	start := time.Now()
	if _, err := w.o.Runtime.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: config}); err != nil {
		return &failed{"FailedCreatePodSandBox", fmt.Sprintf("Failed to create pod sandbox: %v", err)}
	}
	w.pods.metrics.sandboxSeconds.Observe(time.Since(start).Seconds())
	return nil
}

// startOne starts a container beside the worker.
func (w *worker) startOne(ctx context.Context, container *v1.Container) {
	last := w.seen.Latest(container.Name)
	m := toMake{
		pod: w.pod, container: container, restarts: w.restarts(container, last),
		podIPs: podstatus.PodIPs(w.pod, w.seen, w.o.HostIPs), target: w.target(container),
	}
	sandbox := w.seen.Sandboxes[0]
	w.starts.begin(container.Name, last, time.Now())
	stale := w.stale(container.Name)
	w.spawnStart(ctx, container.Name, func(ctx context.Context) func() {
		fail := w.makeContainer(ctx, m, sandbox, stale)
		cancelled := ctx.Err() != nil
		return func() {
			if fail == nil {
				w.starts.succeeded(container.Name)
			} else if !cancelled {
				w.starts.failed(container.Name, *fail, time.Now())
			}
		}
	})
}

// restarts is the count for the next container of that name: one more than the
// runtime, the API or the log files know of.
func (w *worker) restarts(container *v1.Container, last *observed.Container) int32 {
	if last != nil && last.State == observed.Created {
		return last.Restarts // never ran, and is replaced
	}
	if last != nil {
		return last.Restarts + 1
	}
	next := int32(0)
	for _, list := range [][]v1.ContainerStatus{w.status.ContainerStatuses, w.status.InitContainerStatuses} {
		for i := range list {
			if list[i].Name == container.Name {
				next = list[i].RestartCount
			}
		}
	}
	return max(next, nextLog(filepath.Join(w.o.LogDirectory(w.pod), container.Name)))
}

// nextLog is one more than the highest number of a log file in the folder.
func nextLog(dir string) int32 {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	next := int32(0)
	for _, entry := range entries {
		number, _, _ := strings.Cut(entry.Name(), ".")
		if n, err := strconv.ParseInt(number, 10, 32); err == nil {
			next = max(next, int32(n)+1)
		}
	}
	return next
}

// target is the id of the container whose processes an ephemeral one joins.
func (w *worker) target(container *v1.Container) string {
	for i := range w.pod.Spec.EphemeralContainers {
		e := &w.pod.Spec.EphemeralContainers[i]
		if e.Name != container.Name || e.TargetContainerName == "" {
			continue
		}
		if c := w.seen.Latest(e.TargetContainerName); c != nil && c.State == observed.Running {
			return c.ID
		}
	}
	return ""
}

// stale are the dead containers of that name that nobody will ask for again
// once another one has started: all but the newest.
func (w *worker) stale(name string) []observed.Container {
	var dead []observed.Container
	kept := false
	for i := range w.seen.Containers {
		c := w.seen.Containers[i]
		switch {
		case c.Name != name || c.Alive():
		case c.State == observed.Created || kept:
			dead = append(dead, c)
		default:
			kept = true
		}
	}
	return dead
}

// makeContainer pulls, creates and starts.
func (w *worker) makeContainer(ctx context.Context, m toMake, sandbox observed.Sandbox, stale []observed.Container) *failed {
	image, reason, why, err := w.o.Images.Ensure(ctx, m.pod, m.container)
	if err != nil {
		return &failed{reason, why} // Images has sent the events
	}
	m.image = image
	w.removeStale(ctx, m, stale)
	id, fail := w.createAndStart(ctx, m, sandbox)
	if fail != nil {
		w.event(m, v1.EventTypeWarning, "Failed", "Error: "+fail.message)
		return fail
	}
	if m.container.Lifecycle == nil || m.container.Lifecycle.PostStart == nil {
		return nil
	}
	if err := w.runHook(ctx, hook{m.pod, m.container, id, m.podIPs}, m.container.Lifecycle.PostStart); err != nil {
		w.event(m, v1.EventTypeWarning, "FailedPostStartHook", "PostStartHook failed")
		w.killAfterHook(ctx, m, id)
		return &failed{"PostStartHookError", err.Error()}
	}
	return nil
}

func (w *worker) createAndStart(ctx context.Context, m toMake, sandbox observed.Sandbox) (id string, fail *failed) {
	release, err := w.pods.slot(ctx)
	if err != nil {
		return "", &failed{"CreateContainerError", err.Error()}
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	config, err := w.o.containerConfig(ctx, m)
	if err != nil {
		return "", &failed{"CreateContainerConfigError", message(err)}
	}
	sandboxConfig, err := w.o.sandboxConfig(m.pod, sandbox.Attempt, w.pods.cgroupParent(m.pod))
	if err != nil {
		return "", &failed{"CreateContainerConfigError", err.Error()}
	}
	start := time.Now()
	created, err := w.o.Runtime.CreateContainer(ctx, &cri.CreateContainerRequest{PodSandboxId: sandbox.ID, Config: config, SandboxConfig: sandboxConfig})
	if err != nil {
		return "", &failed{"CreateContainerError", message(err)}
	}
	id = created.GetContainerId()
	w.event(m, v1.EventTypeNormal, "Created", "Created container: "+m.container.Name)
	if _, err := w.o.Runtime.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: id}); err != nil {
		return "", &failed{"RunContainerError", message(err)}
	}
	w.event(m, v1.EventTypeNormal, "Started", "Started container "+m.container.Name)
	w.pods.metrics.containerSeconds.Observe(time.Since(start).Seconds())
	w.pods.metrics.started.Inc()
	return id, nil
}

// removeStale takes dead containers and their logs away. What fails is tried
// again with the next start.
func (w *worker) removeStale(ctx context.Context, m toMake, stale []observed.Container) {
	for _, c := range stale {
		if _, err := w.o.Runtime.RemoveContainer(ctx, &cri.RemoveContainerRequest{ContainerId: c.ID}); err != nil {
			continue
		}
		if c.Restarts == m.restarts {
			continue // its log goes on
		}
		logs, _ := filepath.Glob(filepath.Join(w.o.LogDirectory(m.pod), c.Name, strconv.Itoa(int(c.Restarts))+".log*"))
		for _, path := range append(logs, c.MessageFile) {
			if path != "" {
				_ = os.Remove(path)
			}
		}
	}
}

// message is an error's text as the runtime gave it.
func message(err error) string {
	if s, ok := status.FromError(err); ok {
		return s.Message()
	}
	return err.Error()
}

func (w *worker) event(m toMake, kind, reason, text string) {
	w.o.Events.Event(containerRef(m.pod, m.container.Name), kind, reason, text)
}

// podRef and containerRef say what an event is about.
func podRef(pod *v1.Pod) *v1.ObjectReference {
	return &v1.ObjectReference{
		Kind: "Pod", APIVersion: "v1", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion,
	}
}

func containerRef(pod *v1.Pod, container string) *v1.ObjectReference {
	ref := podRef(pod)
	ref.FieldPath = fieldPath(pod, container)
	return ref
}

func fieldPath(pod *v1.Pod, name string) string {
	for i := range pod.Spec.InitContainers {
		if pod.Spec.InitContainers[i].Name == name {
			return "spec.initContainers{" + name + "}"
		}
	}
	for i := range pod.Spec.EphemeralContainers {
		if pod.Spec.EphemeralContainers[i].Name == name {
			return "spec.ephemeralContainers{" + name + "}"
		}
	}
	return "spec.containers{" + name + "}"
}
