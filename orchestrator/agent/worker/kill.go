package worker

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/observed"
	podstatus "github.com/lubberline/lubberline/orchestrator/agent/status"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

const (
	// minGrace is what every container gets between SIGTERM and SIGKILL, in
	// seconds.
	minGrace = 2
	// stopSlack is how much longer than the grace period the runtime may take.
	stopSlack = time.Minute
)

// killOne ends a container of a pod that goes on.
func (w *worker) killOne(ctx context.Context, k kill) {
	if w.tasks.killing[k.container.ID] != nil {
		return
	}
	if k.replace {
		w.starts.replaced[k.container.ID] = true
	}
	w.killTask(ctx, k.container, w.probeGrace(k), k.message, nil, false)
}

// probeGrace is the pod's grace period, or the failed probe's own.
func (w *worker) probeGrace(k kill) int64 {
	spec := findContainer(w.pod, k.container.Name)
	if spec != nil {
		probe := spec.LivenessProbe
		if k.probe == "startup" {
			probe = spec.StartupProbe
		}
		if k.probe != "" && probe != nil && probe.TerminationGracePeriodSeconds != nil {
			return *probe.TerminationGracePeriodSeconds
		}
	}
	return podGrace(w.pod)
}

// podGrace is the grace period that the pod's object gives.
func podGrace(pod *v1.Pod) int64 {
	switch {
	case pod.DeletionGracePeriodSeconds != nil:
		return *pod.DeletionGracePeriodSeconds
	case pod.Spec.TerminationGracePeriodSeconds != nil:
		return *pod.Spec.TerminationGracePeriodSeconds
	}
	return minGrace
}

func findContainer(pod *v1.Pod, name string) *v1.Container {
	for _, list := range [][]v1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// killTask ends one container beside the worker: hook, turn, signals. turn is
// nil for at once.
func (w *worker) killTask(ctx context.Context, c *observed.Container, grace int64, text string, turn chan struct{}, hooked bool) {
	ctx, cancel := context.WithCancel(ctx)
	task := &killTask{name: c.Name, deadline: time.Now().Add(time.Duration(grace) * time.Second), cancel: cancel, turn: turn, hooked: hooked}
	w.tasks.killing[c.ID] = task
	if text != "" {
		w.o.Events.Event(containerRef(w.pod, c.Name), v1.EventTypeNormal, "Killing", text)
	}
	h := hook{pod: w.pod, container: findContainer(w.pod, c.Name), id: c.ID, podIPs: podstatus.PodIPs(w.pod, w.seen, w.o.HostIPs)}
	preStop := h.preStop()
	if hooked || grace <= 0 {
		preStop = nil
	}
	task.hooked = hooked || preStop != nil
	id := c.ID
	w.spawn(ctx, func(ctx context.Context) func() {
		err := w.kill(ctx, h, preStop, task.deadline, turn)
		cancelled := ctx.Err() != nil
		cancel()
		return func() { w.killed(id, task, err, cancelled) }
	})
}

// kill runs the hook, waits for the turn and stops the container.
func (w *worker) kill(ctx context.Context, h hook, preStop *v1.LifecycleHandler, deadline time.Time, turn <-chan struct{}) error {
	if preStop != nil {
		hookCtx, cancel := context.WithDeadline(ctx, deadline)
		err := w.runHook(hookCtx, h, preStop)
		cancel()
		if err != nil && ctx.Err() == nil {
			w.o.Events.Event(containerRef(h.pod, h.container.Name), v1.EventTypeWarning, "FailedPreStopHook", "PreStopHook failed")
		}
	}
	if turn != nil {
		late := time.NewTimer(time.Until(deadline))
		defer late.Stop()
		select {
		case <-turn:
		case <-late.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	left := max(int64(time.Until(deadline).Round(time.Second)/time.Second), minGrace)
	return w.stop(ctx, h.id, left)
}

func (w *worker) stop(ctx context.Context, id string, grace int64) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(grace)*time.Second+stopSlack)
	defer cancel()
	_, err := w.o.Runtime.StopContainer(ctx, &cri.StopContainerRequest{ContainerId: id, Timeout: grace})
	if status.Code(err) == codes.NotFound {
		return nil
	}
	return err
}

// killed takes the result of a kill. A failed one is tried again when the
// worker next finds the container alive.
func (w *worker) killed(id string, task *killTask, err error, cancelled bool) {
	if w.tasks.killing[id] == task {
		delete(w.tasks.killing, id)
	}
	w.markDirty()
	if err != nil && !cancelled {
		w.o.Events.Event(podRef(w.pod), v1.EventTypeWarning, "FailedKillPod", "error killing pod: "+message(err))
		w.log.Warn("container not stopped", "container", task.name, "error", err)
	}
}

// killAfterHook ends a container whose postStart hook failed.
func (w *worker) killAfterHook(ctx context.Context, m toMake, id string) {
	w.event(m, v1.EventTypeNormal, "Killing", "FailedPostStartHook")
	if err := w.stop(ctx, id, max(podGrace(m.pod), minGrace)); err != nil && ctx.Err() == nil {
		w.log.Warn("container not stopped", "container", m.container.Name, "error", err)
	}
}

// killAll ends everything that lives, each container once; a shorter grace
// period than the one that runs takes its place. Sidecars get their signal
// after the containers that they serve, in the reverse order of their start.
func (w *worker) killAll(ctx context.Context, grace int64) {
	alive := w.seen.Alive()
	for _, c := range alive {
		task := w.tasks.killing[c.ID]
		switch {
		case task == nil:
			w.killTask(ctx, c, grace, "Stopping container "+c.Name, w.newTurn(c.Name), false)
		case time.Now().Add(time.Duration(grace) * time.Second).Before(task.deadline.Add(-shorterBy)):
			task.cancel()
			w.killTask(ctx, c, grace, "", w.newTurn(c.Name), task.hooked)
		}
	}
	for _, c := range alive {
		task := w.tasks.killing[c.ID]
		if task.turn != nil && !task.closed && w.hasTurn(c.Name, alive) {
			close(task.turn)
			task.closed = true
		}
	}
}

// shorterBy is how much a new grace period must save to be worth beginning anew.
const shorterBy = time.Second

func (w *worker) newTurn(name string) chan struct{} {
	if w.sidecarIndex(name) < 0 {
		return nil
	}
	return make(chan struct{})
}

// sidecarIndex is the sidecar's place among the init containers, or -1.
func (w *worker) sidecarIndex(name string) int {
	for i := range w.pod.Spec.InitContainers {
		if c := &w.pod.Spec.InitContainers[i]; c.Name == name && podutil.IsSidecar(c) {
			return i
		}
	}
	return -1
}

// hasTurn says that nothing lives any more that the sidecar must outlive.
func (w *worker) hasTurn(name string, alive []*observed.Container) bool {
	index := w.sidecarIndex(name)
	for _, other := range alive {
		if other.Name == name {
			continue
		}
		if i := w.sidecarIndex(other.Name); i < 0 || i > index {
			return false
		}
	}
	return true
}
