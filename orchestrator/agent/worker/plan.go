package worker

import (
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/observed"
	"github.com/lubberline/lubberline/orchestrator/agent/status"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// verdicts are the answers of probes that decide what is done.
type verdicts interface {
	Started(containerID string) (started, known bool)
	Failed(containerID string) (kind string, failed bool)
}

// situation is all that a plan depends on.
type situation struct {
	pod    *v1.Pod
	seen   *observed.Pod
	probes verdicts
	now    time.Time
	// notBefore is when a container may be started: after a crash or a failed
	// start. backingOff says that it is a crash that it waits for.
	notBefore func(container *v1.Container, last *observed.Container) (at time.Time, backingOff bool)
	// replaced are the ids of containers that were ended to be made anew,
	// whatever the restart policy says.
	replaced map[string]bool
}

// plan is what to do next for a pod that is to run. At most one thing is
// started at a time, in Kubernetes' order: init containers before others,
// and a container after the postStart hook of the one before it.
type plan struct {
	// newSandbox asks for a sandbox with that attempt number, once nothing of
	// the pod lives any more.
	newSandbox bool
	attempt    uint32
	// start is the container to start now, or nil.
	start *v1.Container
	kill  []kill
	// backingOff are the containers that wait after a crash.
	backingOff []*v1.Container
	// finished says that nothing of the pod is to run any more.
	finished bool
	// wake is when the plan is to be made again; zero for never.
	wake time.Time
}

// kill is a running container to be ended.
type kill struct {
	container *observed.Container
	message   string
	// probe is "liveness" or "startup" when a probe wanted it.
	probe string
	// replace says that a new one follows whatever the restart policy.
	replace bool
}

func (p *plan) wakeAt(t time.Time) {
	if p.wake.IsZero() || t.Before(p.wake) {
		p.wake = t
	}
}

// makePlan is pure.
func makePlan(s situation) plan {
	var p plan
	sandbox := usableSandbox(s.pod, s.seen)
	if sandbox == nil {
		planSandbox(&p, s)
		return p
	}
	for _, c := range s.seen.Alive() {
		if c.SandboxID != sandbox.ID {
			p.kill = append(p.kill, kill{container: c, message: "Stopping container " + c.Name})
		}
	}
	planEphemeral(&p, s)
	initialised, failed := planInit(&p, s, sandbox)
	if failed {
		return plan{finished: true}
	}
	if initialised {
		planRegular(&p, s)
	}
	return p
}

// usableSandbox is the sandbox in which containers can be started, or nil.
func usableSandbox(pod *v1.Pod, seen *observed.Pod) *observed.Sandbox {
	sandbox := seen.ReadySandbox()
	if sandbox == nil || sandbox.HostNetwork != pod.Spec.HostNetwork {
		return nil
	}
	if !sandbox.HostNetwork && len(sandbox.IPs) == 0 {
		return nil
	}
	for i := range seen.Sandboxes[1:] {
		if seen.Sandboxes[i+1].Ready {
			return nil // two at once: both go
		}
	}
	return sandbox
}

// planSandbox is for a pod without a usable sandbox: whatever still runs of it
// is ended first.
func planSandbox(p *plan, s situation) {
	if len(s.seen.Sandboxes) > 0 {
		p.attempt = s.seen.Sandboxes[0].Attempt + 1
	}
	if p.attempt > 0 && !worthSandbox(s) {
		p.finished = true
		return
	}
	for _, c := range s.seen.Alive() {
		p.kill = append(p.kill, kill{container: c, message: "Stopping container " + c.Name})
	}
	p.newSandbox = true
}

// worthSandbox says that something is left to run in another sandbox.
func worthSandbox(s situation) bool {
	if len(s.seen.Containers) == 0 {
		return true
	}
	anyRegular, anyLeft := false, false
	for i := range s.pod.Spec.Containers {
		spec := &s.pod.Spec.Containers[i]
		last := s.seen.Latest(spec.Name)
		anyRegular = anyRegular || last != nil
		anyLeft = anyLeft || last == nil || mayRunAgain(s, spec, last)
	}
	if s.pod.Spec.RestartPolicy == v1.RestartPolicyNever && anyRegular {
		// With this policy a pod does not outlive its sandbox.
		return anyRestartRule(s.pod) && anyLeft
	}
	return anyLeft || !anyRegular
}

func anyRestartRule(pod *v1.Pod) bool {
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].RestartPolicy != nil {
			return true
		}
	}
	return false
}

// mayRunAgain says whether a container whose last one is given is started anew.
func mayRunAgain(s situation, spec *v1.Container, last *observed.Container) bool {
	switch last.State {
	case observed.Exited:
		return s.replaced[last.ID] || status.Restarts(spec, s.pod, last.ExitCode)
	default:
		return true
	}
}

// planEphemeral starts ephemeral containers; they run once.
func planEphemeral(p *plan, s situation) {
	for i := range s.pod.Spec.EphemeralContainers {
		spec := (*v1.Container)(&s.pod.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		if s.seen.Latest(spec.Name) == nil {
			p.tryStart(s, spec, nil)
		}
	}
}

// tryStart makes spec the container to start, if none is yet and it may start
// now.
func (p *plan) tryStart(s situation, spec *v1.Container, last *observed.Container) {
	at, backingOff := s.notBefore(spec, last)
	if at.After(s.now) {
		if backingOff {
			p.backingOff = append(p.backingOff, spec)
		}
		p.wakeAt(at)
		return
	}
	if p.start == nil {
		p.start = spec
	}
}

// planInit brings init containers forward. It returns whether the regular ones
// may run, and whether an init container has failed for good.
func planInit(p *plan, s situation, sandbox *observed.Sandbox) (initialised, failed bool) {
	initialised = regularStarted(s, sandbox)
	for i := range s.pod.Spec.InitContainers {
		spec := &s.pod.Spec.InitContainers[i]
		last := inSandbox(s.seen, spec.Name, sandbox.ID)
		var done bool
		switch {
		case podutil.IsSidecar(spec):
			done = p.sidecar(s, spec, last)
		case !initialised && !laterInit(s, i, sandbox):
			done, failed = p.initContainer(s, spec, last)
		default:
			done = true
		}
		if failed || !done && !initialised {
			return false, failed
		}
	}
	return true, false
}

// regularStarted says that initialisation is over in this sandbox.
func regularStarted(s situation, sandbox *observed.Sandbox) bool {
	for i := range s.pod.Spec.Containers {
		if inSandbox(s.seen, s.pod.Spec.Containers[i].Name, sandbox.ID) != nil {
			return true
		}
	}
	return false
}

// laterInit says that an init container after that index was started, which
// means that this one has done its work, even if the runtime forgot it.
func laterInit(s situation, index int, sandbox *observed.Sandbox) bool {
	for i := index + 1; i < len(s.pod.Spec.InitContainers); i++ {
		if inSandbox(s.seen, s.pod.Spec.InitContainers[i].Name, sandbox.ID) != nil {
			return true
		}
	}
	return false
}

func inSandbox(seen *observed.Pod, name, sandbox string) *observed.Container {
	if last := seen.Latest(name); last != nil && last.SandboxID == sandbox {
		return last
	}
	return nil
}

func (p *plan) initContainer(s situation, spec *v1.Container, last *observed.Container) (done, failed bool) {
	switch {
	case last == nil || last.State == observed.Created:
		p.tryStart(s, spec, last)
	case last.State == observed.Unknown:
		p.kill = append(p.kill, unknownKill("Init container", last))
	case last.State == observed.Exited && last.ExitCode == 0:
		return true, false
	case last.State == observed.Exited && !mayRunAgain(s, spec, last):
		return false, true
	case last.State == observed.Exited:
		p.tryStart(s, spec, last)
	}
	return false, false
}

// sidecar keeps a sidecar running and returns whether it has started, so that
// what comes after it may.
func (p *plan) sidecar(s situation, spec *v1.Container, last *observed.Container) (started bool) {
	switch {
	case last == nil || !last.Alive():
		p.tryStart(s, spec, last)
		return false
	case p.unwanted(s, spec, last, "Init container"):
		return false
	}
	if spec.StartupProbe == nil {
		return true
	}
	started, known := s.probes.Started(last.ID)
	return known && started
}

// planRegular keeps the regular containers running, or finds the pod finished.
func planRegular(p *plan, s situation) {
	left := false
	for i := range s.pod.Spec.Containers {
		spec := &s.pod.Spec.Containers[i]
		last := s.seen.Latest(spec.Name)
		switch {
		case last == nil:
			left = true
			p.tryStart(s, spec, nil)
		case last.Alive():
			left = true
			p.unwanted(s, spec, last, "Container")
		case mayRunAgain(s, spec, last):
			left = true
			p.tryStart(s, spec, last)
		}
	}
	if !left {
		*p = plan{finished: true}
	}
}

// unwanted ends a live container that must be made anew, and says so.
func (p *plan) unwanted(s situation, spec *v1.Container, c *observed.Container, what string) bool {
	if c.State == observed.Unknown {
		p.kill = append(p.kill, unknownKill(what, c))
		return true
	}
	if c.Hash != "" && c.Hash != observed.Hash(spec) {
		p.kill = append(p.kill, kill{container: c, replace: true, message: fmt.Sprintf("%s %s definition changed, will be restarted", what, c.Name)})
		return true
	}
	kind, failed := s.probes.Failed(c.ID)
	if !failed {
		return false
	}
	message := fmt.Sprintf("%s %s failed %s probe", what, c.Name, kind)
	if status.Restarts(spec, s.pod, 1) {
		message += ", will be restarted"
	}
	p.kill = append(p.kill, kill{container: c, probe: kind, message: message})
	return true
}

func unknownKill(what string, c *observed.Container) kill {
	return kill{container: c, message: fmt.Sprintf("%s is in %q state, try killing it before restart", what, c.State)}
}
