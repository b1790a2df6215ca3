// Package driver joins the scheduler with the Kubernetes API: informers tell
// it what happens, and its decisions become bindings, conditions, events and
// deletions.
package driver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/lubberline/lubberline/orchestrator/scheduler"
	"github.com/lubberline/lubberline/orchestrator/scheduler/preempt"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

// Options of a Driver. Client, Informers, Events and Logger are needed.
type Options struct {
	Client     kubernetes.Interface
	Informers  informers.SharedInformerFactory // started by the caller after New
	Events     record.EventRecorder
	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil keeps the metrics private
	Name       string                // of the pods' spec.schedulerName; empty is default-scheduler
	Seed       uint64                // decides between equally good nodes
	Writers    int                   // writes to the API at once; 0 is 32
	Clock      func() time.Time      // nil is time.Now
}

// A batch of decisions is made before what has happened meanwhile is taken in.
const batch = 128

// A binding that was accepted is seen within this time, or taken back.
const (
	confirmWithin = time.Minute
	confirmEvery  = 15 * time.Second
)

const defaultWriters = 32

// Driver runs one scheduler.
type Driver struct {
	client  kubernetes.Interface
	events  record.EventRecorder
	log     *slog.Logger
	now     func() time.Time
	pods    listers.PodLister
	claims  listers.PersistentVolumeClaimLister
	synced  []cache.InformerSynced
	metrics *metrics
	mail    *mailbox
	writers *writers
	waiting sync.WaitGroup // for pods whose volumes are being bound

	// Only for the goroutine in Run.
	core      *scheduler.Scheduler
	snap      *snapshot.Snapshot
	budgets   map[string]preempt.Budget // by namespace/name
	listed    []preempt.Budget          // of budgets; nil: not yet made
	accepted  map[types.UID]accepted    // bindings that were not seen yet
	confirmed time.Time                 // when they were last looked at
}

type accepted struct {
	namespace, name string
	at              time.Time
}

// New makes a driver and asks for its informers.
func New(o Options) (*Driver, error) {
	if o.Client == nil || o.Informers == nil || o.Events == nil || o.Logger == nil {
		return nil, errors.New("scheduler: client, informers, events and logger are needed")
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Writers <= 0 {
		o.Writers = defaultWriters
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	d := &Driver{
		client: o.Client, events: o.Events, log: o.Logger, now: o.Clock, metrics: m, mail: newMailbox(), writers: newWriters(o.Writers),
		snap: snapshot.New(), budgets: map[string]preempt.Budget{}, accepted: map[types.UID]accepted{},
		pods: o.Informers.Core().V1().Pods().Lister(), claims: o.Informers.Core().V1().PersistentVolumeClaims().Lister(),
	}
	d.core = scheduler.New(scheduler.Options{Name: o.Name, Seed: o.Seed, State: d, Plan: d})
	if err := d.watch(o.Informers); err != nil {
		m.Unregister()
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	return d, nil
}

// Snapshot is for the scheduler.
func (d *Driver) Snapshot() *snapshot.Snapshot { return d.snap }

// Budgets is for the scheduler.
func (d *Driver) Budgets() []preempt.Budget {
	if d.listed == nil {
		d.listed = make([]preempt.Budget, 0, len(d.budgets))
		for _, b := range d.budgets {
			d.listed = append(d.listed, b)
		}
	}
	return d.listed
}

// Run schedules until ctx ends. The informers must have been started, or be
// about to be.
func (d *Driver) Run(ctx context.Context) error {
	defer d.metrics.Unregister()
	if !cache.WaitForCacheSync(ctx.Done(), d.synced...) {
		return nil // ctx ended
	}
	var running sync.WaitGroup
	d.writers.start(ctx, &running)
	defer d.waiting.Wait() // which none joins once the writers have ended
	defer running.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		if d.round() == batch {
			continue
		}
		timer.Reset(d.untilDue())
		select {
		case <-ctx.Done():
		case <-d.mail.signal:
		case <-timer.C:
		}
	}
	return nil
}

// round takes in what happened and decides for one batch of pods.
func (d *Driver) round() int {
	now := d.now()
	for _, happened := range d.mail.take() {
		happened(now)
	}
	if now.Sub(d.confirmed) >= confirmEvery {
		d.confirmed = now
		d.takeBack(now)
	}
	n := d.core.Step(now, batch)
	if n > 0 {
		d.metrics.deciding.Add(d.now().Sub(now).Seconds())
	}
	d.metrics.show(d.core.Depths(), d.snap.Len())
	return n
}

func (d *Driver) untilDue() time.Duration {
	now := d.now()
	wait := time.Hour
	if at, due := d.core.Next(now); due {
		wait = max(0, at.Sub(now))
	}
	if len(d.accepted) > 0 {
		wait = min(wait, confirmEvery)
	}
	return wait
}

// takeBack looks for bindings that were accepted and never seen: the pod's
// place is given up, and the pod goes by what the informer has of it.
func (d *Driver) takeBack(now time.Time) {
	for uid, a := range d.accepted {
		p := d.snap.Pod(uid)
		if p == nil || !p.Assumed {
			delete(d.accepted, uid)
			continue
		}
		if now.Sub(a.at) < confirmWithin {
			continue
		}
		delete(d.accepted, uid)
		d.log.Warn("a binding was accepted but not seen; placing the pod again", "namespace", a.namespace, "pod", a.name, "node", p.Node().Name)
		pod, err := d.pods.Pods(a.namespace).Get(a.name)
		if err != nil || pod.UID != uid {
			d.core.RemovePod(now, uid)
			continue
		}
		d.core.Forget(now, pod)
	}
}

// mailbox holds what happened until the scheduler takes it in.
type mailbox struct {
	signal chan struct{} // has room for one

	mu     sync.Mutex
	things []func(now time.Time) // guarded by mu
}

func newMailbox() *mailbox { return &mailbox{signal: make(chan struct{}, 1)} }

func (m *mailbox) put(happened func(now time.Time)) {
	m.mu.Lock()
	m.things = append(m.things, happened)
	m.mu.Unlock()
	select {
	case m.signal <- struct{}{}:
	default:
	}
}

func (m *mailbox) take() []func(time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	things := m.things
	m.things = nil
	return things
}

var (
	_ scheduler.State   = (*Driver)(nil)
	_ scheduler.Planner = (*Driver)(nil)
)
