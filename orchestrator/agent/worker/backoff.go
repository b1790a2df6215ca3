package worker

import (
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/observed"
)

// Pauses before a container that ended is started again: the first time none,
// then doubling; forgotten when it ran for long.
const (
	firstCrashPause = 10 * time.Second
	lastCrashPause  = 5 * time.Minute
	crashForgotten  = 2 * lastCrashPause
)

// Pauses after something could not be made.
const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// retry is when to try again what failed; zero for now.
type retry struct {
	at    time.Time
	pause time.Duration
}

func (r *retry) fail(now time.Time) {
	r.pause = min(max(2*r.pause, firstRetry), lastRetry)
	r.at = now.Add(r.pause)
}

// crash is the back-off of one container.
type crash struct {
	pause   time.Duration
	updated time.Time
}

// startState is what a worker remembers of starts, by container name.
type startState struct {
	crashes map[string]crash
	retries map[string]retry
	waiting map[string]v1.ContainerStateWaiting
	// told is the id of the crashed container of which the event was sent.
	told map[string]string
	// replaced are ids of containers ended to be made anew.
	replaced map[string]bool
	sandbox  retry
}

func newStartState() startState {
	return startState{
		crashes: make(map[string]crash), retries: make(map[string]retry),
		waiting: make(map[string]v1.ContainerStateWaiting), told: make(map[string]string), replaced: make(map[string]bool),
	}
}

// notBefore is when the container may be started at the earliest, and whether
// it is a crash that it waits for. last is the newest one of its name, or nil.
func (s *startState) notBefore(container *v1.Container, last *observed.Container) (at time.Time, backingOff bool) {
	if r := s.retries[container.Name]; !r.at.IsZero() {
		at = r.at
	}
	if last == nil || last.State != observed.Exited || s.replaced[last.ID] {
		return at, false
	}
	c, ok := s.crashes[container.Name]
	if !ok || last.Finished.Sub(c.updated) > crashForgotten {
		return at, false
	}
	if until := last.Finished.Add(c.pause); until.After(at) {
		return until, true
	}
	return at, false
}

// begin notes that the container is being started after last.
func (s *startState) begin(name string, last *observed.Container, now time.Time) {
	if last == nil || last.State != observed.Exited || s.replaced[last.ID] {
		return
	}
	c, ok := s.crashes[name]
	if !ok || last.Finished.Sub(c.updated) > crashForgotten {
		c.pause = firstCrashPause
	} else {
		c.pause = min(2*c.pause, lastCrashPause)
	}
	c.updated = now
	s.crashes[name] = c
}

func (s *startState) succeeded(name string) {
	delete(s.retries, name)
	delete(s.waiting, name)
}

func (s *startState) failed(name string, f failed, now time.Time) {
	r := s.retries[name]
	r.fail(now)
	s.retries[name] = r
	s.waiting[name] = v1.ContainerStateWaiting{Reason: f.reason, Message: f.message}
}

// forgive lets everything that could not be made be tried at once: the pod's
// spec has changed.
func (s *startState) forgive() {
	clear(s.retries)
	s.sandbox = retry{}
}

// backOff shows that a container waits after a crash.
func (w *worker) backOff(container *v1.Container) {
	last := w.seen.Latest(container.Name)
	if w.starts.told[container.Name] != last.ID {
		w.starts.told[container.Name] = last.ID
		w.o.Events.Event(containerRef(w.pod, container.Name), v1.EventTypeWarning, "BackOff",
			fmt.Sprintf("Back-off restarting failed container %s in pod %s", container.Name, describe(w.pod)))
	}
	w.starts.waiting[container.Name] = v1.ContainerStateWaiting{
		Reason: "CrashLoopBackOff",
		Message: fmt.Sprintf("back-off %s restarting failed container=%s pod=%s",
			w.starts.crashes[container.Name].pause, container.Name, describe(w.pod)),
	}
}
