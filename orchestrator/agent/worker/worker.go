package worker

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/agent/observed"
	"github.com/lubberline/lubberline/orchestrator/agent/status"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// worker keeps one pod. Its goroutine alone decides; what takes long (pulls,
// starts, stops) runs in tasks of which it hears through results. Fields
// without a remark belong to that goroutine.
type worker struct {
	o    *Options
	pods *Pods
	log  *slog.Logger
	uid  types.UID

	// wake has room for one: a worker that is awake already need not hear it.
	wake    chan struct{}
	results chan func()

	mu    sync.Mutex // guards inbox and shown
	inbox inbox
	shown shown

	// pod is the newest object; for pods that the API does not have, what
	// could be found out from the runtime.
	pod *v1.Pod
	// seen is what the runtime had when it was last asked; nil before.
	seen   *observed.Pod
	status *v1.PodStatus
	// admitted is set once the pod may run here, or had run here before.
	admitted bool
	end      *ending

	tasks
	starts startState
	// readDelay is the pause after the runtime could not be asked.
	readDelay time.Duration
}

// inbox is what the worker has not looked at yet.
type inbox struct {
	pod   *v1.Pod
	gone  bool
	dirty bool
	evict *eviction
}

// shown is what others may read.
type shown struct {
	pod      *v1.Pod // with the newest status
	seen     *observed.Pod
	released bool // holds none of the node's resources any more
}

// eviction is the wish to end a pod from inside the node.
type eviction struct {
	failure status.Failure
	grace   int64
	done    chan struct{}
}

func newWorker(pods *Pods, uid types.UID, log *slog.Logger) *worker {
	return &worker{
		o: &pods.o, pods: pods, log: log, uid: uid,
		wake: make(chan struct{}, 1), results: make(chan func()),
		inbox: inbox{dirty: true}, tasks: newTasks(), starts: newStartState(),
	}
}

// poke wakes the worker.
func (w *worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// post changes the inbox and wakes the worker.
func (w *worker) post(change func(*inbox)) {
	w.mu.Lock()
	change(&w.inbox)
	w.mu.Unlock()
	w.poke()
}

// run works until the pod is gone or ctx ends.
func (w *worker) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer w.tasks.stopAll()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		case <-timer.C:
		case result := <-w.results:
			result()
		}
		w.drain()
		next, over := w.sync(ctx)
		if over {
			return
		}
		timer.Stop()
		if !next.IsZero() {
			timer.Reset(max(time.Until(next), 0))
		}
	}
}

// drain takes the results that are there already.
func (w *worker) drain() {
	for {
		select {
		case result := <-w.results:
			result()
		default:
			return
		}
	}
}

// sync looks at everything once and starts what is to be done. It returns when
// to look again at the latest, and whether the pod is over.
func (w *worker) sync(ctx context.Context) (next time.Time, over bool) {
	mail := w.takeInbox()
	w.takeObject(mail)
	if mail.dirty || w.seen == nil {
		if err := w.read(ctx); err != nil {
			return w.readFailed(err, mail), false
		}
	}
	if w.pod == nil {
		w.pod = orphan(w.seen)
		if w.pod == nil {
			return time.Time{}, true
		}
	}
	w.takeWishes(mail)
	if w.end == nil {
		next = w.keep(ctx)
	}
	if w.end != nil {
		next, over = w.finish(ctx)
	}
	if !over {
		w.show()
	}
	return next, over
}

func (w *worker) isGone() bool { return w.end != nil && w.end.gone }

func (w *worker) takeInbox() inbox {
	w.mu.Lock()
	defer w.mu.Unlock()
	mail := w.inbox
	w.inbox = inbox{}
	return mail
}

func (w *worker) takeObject(mail inbox) {
	if mail.pod == nil {
		return
	}
	changed := w.pod != nil && w.pod.ResourceVersion != mail.pod.ResourceVersion
	respecified := w.pod != nil && w.pod.Generation != mail.pod.Generation
	w.pod = mail.pod
	if changed {
		w.o.Volumes.Update(w.pod)
	}
	if respecified {
		w.starts.forgive()
	}
	if w.status == nil {
		w.status = w.pod.Status.DeepCopy()
	}
}

// takeWishes looks whether the pod is to end.
func (w *worker) takeWishes(mail inbox) {
	switch {
	case mail.gone:
		w.beginEnd(ending{gone: true})
	case w.pod.ResourceVersion == "":
		w.beginEnd(ending{gone: true, orphan: true})
	case w.pod.DeletionTimestamp != nil:
		w.beginEnd(ending{})
	case podutil.IsTerminal(w.pod):
		w.beginEnd(ending{})
	}
	if mail.evict != nil {
		grace := mail.evict.grace
		w.beginEnd(ending{failure: &mail.evict.failure, grace: &grace, done: []chan struct{}{mail.evict.done}})
	}
}

// read asks the runtime what it has of the pod.
func (w *worker) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	seen, err := observed.Read(ctx, w.o.Runtime, w.uid, w.seen)
	if err != nil {
		return err
	}
	w.seen, w.readDelay = seen, 0
	return nil
}

// readTimeout bounds the questions to the runtime about one pod.
const readTimeout = 10 * time.Second

// Pauses between questions to a runtime that does not answer.
const (
	firstReadPause = 50 * time.Millisecond
	lastReadPause  = 2 * time.Second
)

// readFailed leaves everything as it is, the mail included: nothing is decided
// on old knowledge.
func (w *worker) readFailed(err error, mail inbox) time.Time {
	w.readDelay = min(max(2*w.readDelay, firstReadPause), lastReadPause)
	w.log.Debug("runtime not asked", "error", err, "again_in", w.readDelay)
	w.mu.Lock()
	w.inbox.dirty = true
	w.inbox.gone = w.inbox.gone || mail.gone
	if w.inbox.evict == nil {
		w.inbox.evict = mail.evict
	} else if mail.evict != nil {
		close(mail.evict.done) // one eviction is enough
	}
	w.mu.Unlock()
	return time.Now().Add(w.readDelay)
}

// orphan is the object of a pod that only the runtime has, as far as it can be
// known; nil when the runtime has nothing either.
func orphan(seen *observed.Pod) *v1.Pod {
	if seen.Empty() {
		return nil
	}
	pod := &v1.Pod{}
	pod.UID, pod.Namespace, pod.Name = seen.UID, seen.Namespace, seen.Name
	known := make(map[string]bool)
	for i := range seen.Containers {
		c := &seen.Containers[i]
		if known[c.Name] {
			continue
		}
		known[c.Name] = true
		spec := v1.Container{Name: c.Name, Image: c.Image, Ports: c.Kill.Ports}
		if c.Kill.PreStop != nil {
			spec.Lifecycle = &v1.Lifecycle{PreStop: c.Kill.PreStop}
		}
		pod.Spec.Containers = append(pod.Spec.Containers, spec)
	}
	return pod
}

// keep makes the pod run as its spec says.
func (w *worker) keep(ctx context.Context) time.Time {
	if !w.admitted && !w.admit(ctx) {
		return time.Now().Add(admitPause)
	}
	at, past := w.deadline()
	if past {
		w.o.Events.Event(podRef(w.pod), v1.EventTypeNormal, deadlineReason, deadlineMessage)
		w.beginEnd(ending{failure: &status.Failure{Reason: deadlineReason, Message: deadlineMessage}})
		return time.Time{}
	}
	return earliest(w.act(ctx), at)
}

// admitPause is when to look again whether the node is known.
const admitPause = 100 * time.Millisecond

// earliest is the sooner of two times of which zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

const (
	deadlineReason  = "DeadlineExceeded"
	deadlineMessage = "Pod was active on the node longer than the specified deadline"
)

// deadline is when activeDeadlineSeconds are over, zero for never.
func (w *worker) deadline() (at time.Time, past bool) {
	seconds := w.pod.Spec.ActiveDeadlineSeconds
	if seconds == nil || w.status.StartTime == nil {
		return time.Time{}, false
	}
	at = w.status.StartTime.Add(time.Duration(*seconds) * time.Second)
	return at, !time.Now().Before(at)
}

// act makes the plan and starts what it asks for.
func (w *worker) act(ctx context.Context) time.Time {
	p := makePlan(situation{
		pod: w.pod, seen: w.seen, probes: w.o.Prober, now: time.Now(),
		notBefore: w.starts.notBefore, replaced: w.starts.replaced,
	})
	if p.finished {
		w.beginEnd(ending{})
		return time.Time{}
	}
	for _, k := range p.kill {
		w.killOne(ctx, k)
	}
	for _, c := range p.backingOff {
		w.backOff(c)
	}
	switch {
	case p.newSandbox && len(w.seen.Alive()) == 0 && !w.tasks.busy():
		return w.trySandbox(ctx, p.attempt)
	case p.start != nil && w.tasks.starting == nil:
		w.startOne(ctx, p.start)
	}
	return p.wake
}

// show makes the status and gives it to those who want it.
func (w *worker) show() {
	if w.end != nil && w.end.orphan {
		return
	}
	made := w.makeStatus()
	w.status = &made
	pod := *w.pod
	pod.Status = made
	w.mu.Lock()
	w.shown = shown{pod: &pod, seen: w.seen, released: w.end != nil && w.end.terminated || podutil.IsTerminalPhase(made.Phase)}
	w.mu.Unlock()
	w.o.Prober.Update(w.pod, &made)
	if w.isGone() {
		return
	}
	w.o.Writer.Set(w.pod, made)
	if w.end != nil && w.end.terminated && w.pod.DeletionTimestamp != nil {
		w.o.Writer.Finish(w.pod)
	}
}

func (w *worker) makeStatus() v1.PodStatus {
	in := status.Input{
		Pod: w.pod, Old: w.status, Seen: w.seen, Waiting: w.waiting(), Replaced: w.replaced(),
		Verdicts: w.o.Prober, HostIPs: w.o.HostIPs,
		SandboxUsable: usableSandbox(w.pod, w.seen) != nil, Now: time.Now(),
	}
	if w.tasks.starting != nil {
		in.Starting = w.tasks.starting.container
	}
	if w.end != nil {
		in.Terminating, in.Terminated, in.Failure = true, w.end.terminated, w.end.failure
	}
	return status.Generate(in)
}

// waiting are the reasons of the containers that will be started.
func (w *worker) waiting() map[string]v1.ContainerStateWaiting {
	waiting := maps.Clone(w.starts.waiting)
	s := situation{pod: w.pod, replaced: w.starts.replaced}
	for name := range waiting {
		spec, last := findContainer(w.pod, name), w.seen.Latest(name)
		if spec != nil && last != nil && !mayRunAgain(s, spec, last) {
			delete(waiting, name)
		}
	}
	return waiting
}

// replaced are the names of containers that were ended to be made anew and are
// not there again yet.
func (w *worker) replaced() map[string]bool {
	names := make(map[string]bool)
	for i := range w.seen.Containers {
		c := &w.seen.Containers[i]
		if w.starts.replaced[c.ID] && w.seen.Latest(c.Name).ID == c.ID {
			names[c.Name] = true
		}
	}
	return names
}
