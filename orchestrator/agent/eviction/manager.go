// Package eviction ends pods when the node runs short of memory, disk or
// processes, and pods that write more than they may.
package eviction

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/agent/volume"
	"github.com/lubberline/lubberline/ownmetrics"
)

// Pods is what the node runs, and how a pod is ended.
type Pods interface {
	Pods() []*corev1.Pod
	Evict(uid types.UID, grace int64, reason, message string, condition *corev1.PodCondition) (done <-chan struct{}, found bool)
	LogDirectory(pod *corev1.Pod) string
}

// Runtime measures containers.
type Runtime interface {
	ListContainerStats(context.Context, *runtimeapi.ListContainerStatsRequest, ...grpc.CallOption) (*runtimeapi.ListContainerStatsResponse, error)
}

// Volumes lists the emptyDirs of a pod.
type Volumes interface {
	EmptyDirs(pod *corev1.Pod) []volume.EmptyDir
}

// Images frees the disk of images that nothing uses.
type Images interface {
	DeleteUnused(ctx context.Context) (freed int64, err error)
}

// Options is what a Manager needs.
type Options struct {
	Pods    Pods
	Runtime Runtime
	Volumes Volumes
	Images  Images
	// Observe measures the node.
	Observe func() (Observation, error)
	// Thresholds are DefaultThresholds when nil.
	Thresholds []Threshold
	// Transition is how long a condition lasts at least: 5 minutes when 0.
	Transition time.Duration
	// Node is what events are about, nil for none.
	Node       *corev1.ObjectReference
	Events     record.EventRecorder
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Clock      clock.WithTicker
}

const (
	period = 10 * time.Second
	// endTimeout is how long an evicted pod's end is waited for before the node
	// is looked at again.
	endTimeout = 30 * time.Second
	// reasonEvicted is what the status of an evicted pod says.
	reasonEvicted = "Evicted"
)

// Manager is safe for use by many goroutines.
type Manager struct {
	o       Options
	metrics *metrics
	set     ownmetrics.Set
	changed chan struct{}

	mu      sync.Mutex
	lastMet map[corev1.NodeConditionType]time.Time // guarded by mu
	active  map[corev1.NodeConditionType]bool      // guarded by mu
}

// New checks the options. The node is looked at while Run runs.
func New(o Options) (*Manager, error) {
	if o.Pods == nil || o.Runtime == nil || o.Volumes == nil || o.Images == nil || o.Observe == nil {
		return nil, fmt.Errorf("eviction: pods, runtime, volumes, images and observations are needed")
	}
	if o.Thresholds == nil {
		o.Thresholds = DefaultThresholds()
	}
	if o.Transition == 0 {
		o.Transition = 5 * time.Minute
	}
	if o.Events == nil {
		o.Events = &record.FakeRecorder{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	m := &Manager{
		o: o, metrics: newMetrics(), changed: make(chan struct{}, 1),
		lastMet: map[corev1.NodeConditionType]time.Time{}, active: map[corev1.NodeConditionType]bool{},
	}
	var err error
	m.set, err = m.metrics.register(o.Registerer)
	return m, err
}

// Run looks at the node until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	defer m.set.Unregister()
	ticker := m.o.Clock.NewTicker(period)
	defer ticker.Stop()
	for {
		done, err := m.Look(ctx)
		if err != nil && ctx.Err() == nil {
			m.o.Logger.Warn("cannot look for shortages", "err", err)
		}
		m.await(ctx, done)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

func (m *Manager) await(ctx context.Context, done <-chan struct{}) {
	if done == nil {
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	case <-m.o.Clock.After(endTimeout):
		m.o.Logger.Warn("an evicted pod has not ended yet")
	}
}

// Look looks at the node once and evicts at most one pod for a shortage, the
// end of which done tells.
func (m *Manager) Look(ctx context.Context) (done <-chan struct{}, err error) {
	observation, err := m.o.Observe()
	if err != nil {
		return nil, err
	}
	met := m.met(observation)
	m.note(met)
	if done, err = m.overLimits(ctx, observation.DedicatedImageFS); done != nil || err != nil || len(met) == 0 {
		return done, err
	}
	worst := met[0]
	m.o.Logger.Warn("the node is short of a resource", "signal", worst.Signal, "available", worst.available, "threshold", worst.quantity)
	if m.o.Node != nil {
		m.o.Events.Eventf(m.o.Node, corev1.EventTypeWarning, "EvictionThresholdMet", "Attempting to reclaim %s", worst.resource())
	}
	if worst.condition() == corev1.NodeDiskPressure {
		enough, err := m.reclaimDisk(ctx)
		if enough || err != nil {
			return nil, err
		}
	}
	return m.evictForShortage(ctx, worst, observation)
}

// reclaimDisk removes unused images and says whether that was enough.
func (m *Manager) reclaimDisk(ctx context.Context) (bool, error) {
	if _, err := m.o.Images.DeleteUnused(ctx); err != nil {
		m.o.Logger.Warn("cannot remove unused images", "err", err)
	}
	observation, err := m.o.Observe()
	if err != nil {
		return false, err
	}
	for _, t := range m.met(observation) {
		if t.condition() == corev1.NodeDiskPressure {
			return false, nil
		}
	}
	return true, nil
}
