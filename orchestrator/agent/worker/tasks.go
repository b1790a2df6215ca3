package worker

import (
	"context"
	"sync"
	"time"
)

// tasks are what runs for a pod beside its worker.
type tasks struct {
	// starting makes the sandbox or one container, or winds the pod up; nil
	// when nothing does.
	starting *startTask
	// killing is by container id.
	killing map[string]*killTask
	running sync.WaitGroup
	// over ends results that nobody takes any more.
	over chan struct{}
}

type startTask struct {
	// container is the name of the one being started; "" for other work.
	container string
	cancel    context.CancelFunc
}

// killTask ends one container.
type killTask struct {
	name     string
	deadline time.Time // when SIGKILL comes
	cancel   context.CancelFunc
	// turn is closed when the container may get its signal; closed says so.
	turn   chan struct{}
	closed bool
	// hooked says that the preStop hook was begun.
	hooked bool
}

func newTasks() tasks {
	return tasks{killing: make(map[string]*killTask), over: make(chan struct{})}
}

func (t *tasks) busy() bool { return t.starting != nil || len(t.killing) > 0 }

// stopAll cancels everything and waits for it; the worker ends with it.
func (t *tasks) stopAll() {
	close(t.over)
	if t.starting != nil {
		t.starting.cancel()
	}
	for _, k := range t.killing {
		k.cancel()
	}
	t.running.Wait()
}

// spawn runs work beside the worker and gives its result back to it.
func (w *worker) spawn(ctx context.Context, work func(context.Context) (result func())) {
	w.tasks.running.Go(func() {
		result := work(ctx)
		select {
		case w.results <- result:
		case <-w.tasks.over:
		}
	})
}

// spawnStart is spawn for the one task that builds up or winds down.
func (w *worker) spawnStart(ctx context.Context, container string, work func(context.Context) (result func())) {
	ctx, cancel := context.WithCancel(ctx)
	w.tasks.starting = &startTask{container: container, cancel: cancel}
	w.spawn(ctx, func(ctx context.Context) func() {
		result := work(ctx)
		cancel()
		return func() {
			w.tasks.starting = nil
			w.markDirty()
			result()
		}
	})
}

func (w *worker) markDirty() {
	w.mu.Lock()
	w.inbox.dirty = true
	w.mu.Unlock()
}
