package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/observed"
	"github.com/lubberline/lubberline/orchestrator/agent/status"
)

// ending is a pod on its way out, from which there is no way back.
type ending struct {
	// gone says that the API has no object (any more), orphan that this agent
	// never saw one.
	gone, orphan bool
	failure      *status.Failure
	// grace, in seconds, takes the place of the object's; nil for none.
	grace *int64
	// terminated says that nothing of the pod runs and that its volumes and
	// control group are gone.
	terminated bool
	wind       retry
	done       []chan struct{} // closed when terminated
}

// orphanGrace is for containers that nobody wants any more, in seconds.
const orphanGrace = 1

// beginEnd ends the pod, or adds a reason to an end that has begun: the first
// failure and the shortest grace period stay.
func (w *worker) beginEnd(e ending) {
	if w.end == nil {
		w.end = &e
	} else {
		w.end.gone = w.end.gone || e.gone
		w.end.done = append(w.end.done, e.done...)
		if w.end.failure == nil {
			w.end.failure = e.failure
		}
		if e.grace != nil && (w.end.grace == nil || *e.grace < *w.end.grace) {
			w.end.grace = e.grace
		}
	}
	if w.end.terminated {
		w.tellTerminated()
	}
}

func (w *worker) tellTerminated() {
	for _, done := range w.end.done {
		close(done)
	}
	w.end.done = nil
}

// finish brings the pod towards its end, one step each time.
func (w *worker) finish(ctx context.Context) (next time.Time, over bool) {
	if w.tasks.starting != nil && w.tasks.starting.container != windUp {
		w.tasks.starting.cancel()
	}
	w.killAll(ctx, w.endGrace())
	if w.tasks.busy() || len(w.seen.Alive()) > 0 {
		return time.Time{}, false
	}
	if w.end.terminated && !w.end.gone {
		return time.Time{}, false
	}
	if at := w.end.wind.at; at.After(time.Now()) {
		return at, false
	}
	if !w.end.terminated {
		w.spawnWind(ctx, w.windUp)
		return time.Time{}, false
	}
	if !w.seen.Empty() {
		w.spawnWind(ctx, w.removeAll)
		return time.Time{}, false
	}
	w.leave()
	return time.Time{}, true
}

// windUp is the name of the task that ends a pod; no container is called so.
const windUp = "/end"

func (w *worker) endGrace() int64 {
	grace := podGrace(w.pod)
	if w.end.gone && w.pod.DeletionTimestamp == nil {
		grace = orphanGrace
	}
	if w.end.grace != nil {
		grace = min(grace, *w.end.grace)
	}
	return grace
}

// spawnWind runs one of the last steps; after a failure it is tried again.
func (w *worker) spawnWind(ctx context.Context, step func(context.Context, *observed.Pod) error) {
	seen := w.seen
	w.spawnStart(ctx, windUp, func(ctx context.Context) func() {
		err := step(ctx, seen)
		cancelled := ctx.Err() != nil
		return func() {
			switch {
			case cancelled:
			case err != nil:
				w.end.wind.fail(time.Now())
				w.o.Events.Event(podRef(w.pod), v1.EventTypeWarning, "FailedKillPod", "error killing pod: "+err.Error())
				w.log.Warn("pod not ended, trying again", "error", err)
			case !w.end.terminated:
				w.end.wind = retry{}
				w.end.terminated = true
				w.tellTerminated()
			default:
				w.end.wind = retry{}
			}
		}
	})
}

// windUp gives back what the pod holds, now that no container lives.
func (w *worker) windUp(ctx context.Context, seen *observed.Pod) error {
	for i := range seen.Sandboxes {
		sandbox := &seen.Sandboxes[i]
		if !sandbox.Ready {
			continue
		}
		if _, err := w.o.Runtime.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: sandbox.ID}); err != nil {
			return fmt.Errorf("stop sandbox: %s", message(err))
		}
	}
	// Even when one of them fails the other is freed.
	return errors.Join(w.o.Volumes.Unmount(ctx, w.uid), w.o.Cgroups.Remove(w.uid))
}

// removeAll takes away what the runtime still keeps of the pod.
func (w *worker) removeAll(ctx context.Context, seen *observed.Pod) error {
	for i := range seen.Containers {
		if _, err := w.o.Runtime.RemoveContainer(ctx, &cri.RemoveContainerRequest{ContainerId: seen.Containers[i].ID}); err != nil {
			return fmt.Errorf("remove container %s: %s", seen.Containers[i].Name, message(err))
		}
	}
	for i := range seen.Sandboxes {
		id := seen.Sandboxes[i].ID
		if _, err := w.o.Runtime.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: id}); err != nil {
			return fmt.Errorf("stop sandbox: %s", message(err))
		}
		if _, err := w.o.Runtime.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: id}); err != nil {
			return fmt.Errorf("remove sandbox: %s", message(err))
		}
	}
	return nil
}

// leave forgets the pod. Its logs stay for a while, for readers that are behind.
func (w *worker) leave() {
	w.o.Prober.Remove(w.uid)
	w.o.Writer.Forget(w.uid)
	logs := w.o.LogDirectory(w.pod)
	w.pods.later(w.o.KeepLogs, func() {
		if err := os.RemoveAll(logs); err != nil {
			w.log.Warn("logs of a deleted pod not removed", "path", logs, "error", err)
		}
	})
}
