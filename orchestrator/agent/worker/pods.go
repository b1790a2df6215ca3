package worker

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/agent/observed"
	"github.com/lubberline/lubberline/orchestrator/agent/status"
)

// Pods keeps all pods of the node. Its methods are safe in parallel.
type Pods struct {
	o       Options
	metrics *metrics
	slots   chan struct{}
	running sync.WaitGroup
	ctx     context.Context // of Run; workers live no longer
	cancel  context.CancelFunc

	mu      sync.Mutex // guards what follows
	workers map[types.UID]*worker
	// holds are the pods that take of the node's resources, by admission.
	holds map[types.UID]*worker
	// synced says that every pod of the API has been told, so that what the
	// runtime has beyond them is nobody's.
	synced bool
	timers map[*time.Timer]bool
	// closed says that Run is ending: no worker starts any more.
	closed bool
}

// New returns pods without any; give it objects with Update, and Run it.
func New(o Options) (*Pods, error) {
	o.setDefaults()
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("pod workers: %w", err)
	}
	p := &Pods{
		o: o, metrics: m, slots: make(chan struct{}, o.Starts),
		workers: make(map[types.UID]*worker), holds: make(map[types.UID]*worker), timers: make(map[*time.Timer]bool),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

// Run listens to the runtime and the probes until ctx ends, then waits for the
// workers. Containers are left running.
func (p *Pods) Run(ctx context.Context) {
	var parts sync.WaitGroup
	parts.Go(func() { p.listen(ctx) })
	parts.Go(func() { p.hearProbes(ctx) })
	<-ctx.Done()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	parts.Wait()
	p.stopTimers()
	p.running.Wait()
	p.metrics.set.Unregister()
}

// Update tells of a pod's object, new or changed.
func (p *Pods) Update(pod *v1.Pod) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.workers[pod.UID]; w != nil {
		w.post(func(m *inbox) { m.pod = pod })
		return
	}
	p.hire(pod.UID, pod)
}

// Delete tells that a pod's object is gone; pod is the last that was known.
func (p *Pods) Delete(pod *v1.Pod) {
	p.mu.Lock()
	w := p.workers[pod.UID]
	p.mu.Unlock()
	if w != nil {
		w.post(func(m *inbox) { m.pod, m.gone = pod, true })
	}
}

// Synced tells that Update was called for every pod that the API has. From now
// on what the runtime has of other pods is ended.
func (p *Pods) Synced() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.synced = true
	if !p.closed {
		p.running.Go(func() { p.sweep(p.ctx) })
	}
}

// hire makes the pod's worker; mu is held. A worker must know from its first
// moment whether the API has the pod: pod is nil for one that it does not have.
func (p *Pods) hire(uid types.UID, pod *v1.Pod) {
	log := p.o.Logger.With("pod_uid", uid)
	if pod != nil {
		log = log.With("namespace", pod.Namespace, "pod", pod.Name)
	}
	w := newWorker(p, uid, log)
	w.inbox.pod = pod
	p.workers[uid] = w
	p.metrics.pods.Set(float64(len(p.workers)))
	if p.closed {
		return
	}
	p.running.Go(func() {
		w.run(p.ctx)
		p.dismiss(w)
	})
}

// dismiss forgets a worker that has ended. Objects that came after its last
// look get a new one.
func (p *Pods) dismiss(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.workers, w.uid)
	delete(p.holds, w.uid)
	p.metrics.pods.Set(float64(len(p.workers)))
	w.mu.Lock()
	mail := w.inbox
	w.mu.Unlock()
	if mail.pod != nil && !mail.gone && !p.closed {
		p.hire(w.uid, mail.pod)
	}
}

// admit checks the pod against the node as it is now and takes its share.
func (p *Pods) admit(w *worker, node *v1.Node) *rejection {
	p.mu.Lock()
	defer p.mu.Unlock()
	var others []*v1.Pod
	for uid, other := range p.holds {
		if uid == w.uid || other == w {
			continue
		}
		if pod := other.holding(); pod != nil {
			others = append(others, pod)
		}
	}
	if r := fits(w.pod, node, others); r != nil {
		return r
	}
	p.hold(w)
	return nil
}

// admitted takes the share of a pod that runs already.
func (p *Pods) admitted(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold(w)
}

// hold notes that the pod takes of the node's resources; p.mu is held.
func (p *Pods) hold(w *worker) {
	p.holds[w.uid] = w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shown.pod == nil {
		w.shown.pod = w.pod
	}
}

// holding is the pod if it takes of the node's resources, or nil.
func (w *worker) holding() *v1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shown.released {
		return nil
	}
	return w.shown.pod
}

// slot waits for one of the places for starting; release gives it back.
func (p *Pods) slot(ctx context.Context) (release func(), err error) {
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// cgroupParent is the group that Ensure has made for the pod, or "" when it
// cannot be made.
func (p *Pods) cgroupParent(pod *v1.Pod) string {
	parent, err := p.o.Cgroups.Ensure(pod)
	if err != nil {
		return ""
	}
	return parent
}

// later calls f after d, unless the agent ends before.
func (p *Pods) later(d time.Duration, f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		p.mu.Lock()
		live := p.timers[timer]
		delete(p.timers, timer)
		p.mu.Unlock()
		if live {
			f()
		}
	})
	p.timers[timer] = true
}

func (p *Pods) stopTimers() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for timer := range p.timers {
		timer.Stop()
	}
	clear(p.timers)
}

// Pods are the pods of the node with their newest statuses, for reading only.
func (p *Pods) Pods() []*v1.Pod {
	var pods []*v1.Pod
	for _, w := range p.all() {
		if pod := w.snapshot().pod; pod != nil {
			pods = append(pods, pod)
		}
	}
	return pods
}

func (p *Pods) all() []*worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	workers := make([]*worker, 0, len(p.workers))
	for _, w := range p.workers {
		workers = append(workers, w)
	}
	return workers
}

func (w *worker) snapshot() shown {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shown
}

// Pod is the pod of that name; of two, an ended one and its successor, the newer.
func (p *Pods) Pod(namespace, name string) (*v1.Pod, bool) {
	pods := slices.DeleteFunc(p.Pods(), func(pod *v1.Pod) bool { return pod.Namespace != namespace || pod.Name != name })
	if len(pods) == 0 {
		return nil, false
	}
	return slices.MaxFunc(pods, func(a, b *v1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) }), true
}

// ContainerID is the id of the newest container of that name, as CRI has it.
func (p *Pods) ContainerID(uid types.UID, container string) (id string, running bool) {
	seen := p.seen(uid)
	if seen == nil {
		return "", false
	}
	c := seen.Latest(container)
	if c == nil {
		return "", false
	}
	return c.ID, c.State == observed.Running
}

// SandboxID is the id of the pod's newest sandbox.
func (p *Pods) SandboxID(uid types.UID) (id string, running bool) {
	seen := p.seen(uid)
	if seen == nil || len(seen.Sandboxes) == 0 {
		return "", false
	}
	return seen.Sandboxes[0].ID, seen.Sandboxes[0].Ready
}

func (p *Pods) seen(uid types.UID) *observed.Pod {
	p.mu.Lock()
	w := p.workers[uid]
	p.mu.Unlock()
	if w == nil {
		return nil
	}
	return w.snapshot().seen
}

// LogDirectory is the folder of the pod's logs, CONTAINER/RESTARTS.log below it.
func (p *Pods) LogDirectory(pod *v1.Pod) string { return p.o.LogDirectory(pod) }

// EachLog calls f with the id and the log file of every running container.
func (p *Pods) EachLog(f func(containerID, path string)) {
	for _, w := range p.all() {
		s := w.snapshot()
		if s.pod == nil || s.seen == nil {
			continue
		}
		for _, c := range s.seen.Alive() {
			f(c.ID, filepath.Join(p.o.LogDirectory(s.pod), c.Name, strconv.Itoa(int(c.Restarts))+".log"))
		}
	}
}

// Evict fails the pod with that reason and message and ends it within grace
// seconds. condition, DisruptionTarget, goes into its status and may be nil.
// done is closed when nothing of the pod runs any more.
func (p *Pods) Evict(uid types.UID, grace int64, reason, message string, condition *v1.PodCondition) (done <-chan struct{}, found bool) {
	p.mu.Lock()
	w := p.workers[uid]
	p.mu.Unlock()
	if w == nil {
		return nil, false
	}
	ended := make(chan struct{})
	w.post(func(m *inbox) {
		if m.evict != nil {
			close(ended) // one eviction is enough
			return
		}
		m.evict = &eviction{failure: status.Failure{Reason: reason, Message: message, Condition: condition}, grace: grace, done: ended}
	})
	return ended, true
}
