// Package probe asks running containers whether they have started, live and
// are ready, as their pods' probes say.
package probe

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/worker"
	"github.com/lubberline/lubberline/ownmetrics"
)

// Runtime runs commands in containers.
type Runtime interface {
	ExecSync(ctx context.Context, in *runtimeapi.ExecSyncRequest, opts ...grpc.CallOption) (*runtimeapi.ExecSyncResponse, error)
}

// Options is what a Prober needs.
type Options struct {
	Runtime    Runtime
	Events     record.EventRecorder
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Prober implements the worker's interface of the same name. Each probe of a
// running container has a goroutine of its own.
type Prober struct {
	o       Options
	start   time.Time
	http    *http.Transport
	metrics *metrics
	set     ownmetrics.Set
	changed chan types.UID
	ctx     context.Context // of all probes
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu         sync.Mutex
	containers map[string]*container // guarded by mu; by CRI id
	closed     bool                  // guarded by mu
}

var _ worker.Prober = (*Prober)(nil)

// container is one running container that has probes. The fields below mu are
// guarded by the prober's mu.
type container struct {
	id        string
	uid       types.UID
	startedAt time.Time
	ctx       context.Context
	cancel    context.CancelFunc
	// endRestarts ends the liveness and the startup probe.
	restarts    context.Context
	endRestarts context.CancelFunc

	pod            *corev1.Pod
	spec           *corev1.Container
	ip             string
	ready, started *bool
	failed         string // "", "liveness" or "startup"
}

// New returns a prober without probes. Close ends them.
func New(o Options) (*Prober, error) {
	if o.Runtime == nil {
		return nil, fmt.Errorf("probe: a runtime is needed")
	}
	if o.Events == nil {
		o.Events = &record.FakeRecorder{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Prober{
		o: o, start: time.Now(), http: newTransport(), metrics: newMetrics(),
		changed: make(chan types.UID, 64), containers: map[string]*container{},
	}
	var err error
	if p.set, err = p.metrics.register(o.Registerer); err != nil {
		return nil, err
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

// Close ends every probe and waits for them.
func (p *Prober) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	p.running.Wait()
	p.set.Unregister()
	return nil
}

// Update starts and ends probes by the pod's newest status.
func (p *Prober) Update(pod *corev1.Pod, status *corev1.PodStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	live := map[string]bool{}
	for i := range pod.Spec.InitContainers {
		if c := &pod.Spec.InitContainers[i]; c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			p.updateContainer(pod, status.PodIP, c, status.InitContainerStatuses, live)
		}
	}
	for i := range pod.Spec.Containers {
		p.updateContainer(pod, status.PodIP, &pod.Spec.Containers[i], status.ContainerStatuses, live)
	}
	for id, c := range p.containers {
		if c.uid == pod.UID && !live[id] {
			p.end(c)
		}
	}
}

// updateContainer needs mu.
func (p *Prober) updateContainer(pod *corev1.Pod, ip string, spec *corev1.Container, statuses []corev1.ContainerStatus, live map[string]bool) {
	if spec.LivenessProbe == nil && spec.ReadinessProbe == nil && spec.StartupProbe == nil {
		return
	}
	s := find(statuses, spec.Name)
	if s == nil || s.State.Running == nil || s.ContainerID == "" || p.closed {
		return
	}
	id := s.ContainerID
	if _, after, ok := strings.Cut(id, "://"); ok {
		id = after
	}
	live[id] = true
	c := p.containers[id]
	if c == nil {
		c = p.begin(pod, ip, spec, id, s)
	}
	c.pod, c.ip = pod, ip
	if pod.DeletionTimestamp != nil {
		c.endRestarts()
	}
}

func find(statuses []corev1.ContainerStatus, name string) *corev1.ContainerStatus {
	for i := range statuses {
		if statuses[i].Name == name {
			return &statuses[i]
		}
	}
	return nil
}

// begin needs mu.
func (p *Prober) begin(pod *corev1.Pod, ip string, spec *corev1.Container, id string, s *corev1.ContainerStatus) *container {
	c := &container{id: id, uid: pod.UID, pod: pod, ip: ip, spec: spec, startedAt: s.State.Running.StartedAt.Time}
	c.ctx, c.cancel = context.WithCancel(p.ctx)
	c.restarts, c.endRestarts = context.WithCancel(c.ctx)
	if spec.StartupProbe != nil && s.Started != nil && *s.Started {
		c.started = new(true) // it had before the agent restarted
	}
	p.containers[id] = c
	p.running.Go(func() { p.run(c) })
	return c
}

// end needs mu.
func (p *Prober) end(c *container) {
	c.cancel()
	delete(p.containers, c.id)
}

// Remove ends the pod's probes.
func (p *Prober) Remove(uid types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.containers {
		if c.uid == uid {
			p.end(c)
		}
	}
	p.metrics.byContainer.DeletePartialMatch(prometheus.Labels{"pod_uid": string(uid)})
}

// Ready is the readiness probe's verdict.
func (p *Prober) Ready(id string) (ready, known bool) {
	return p.verdict(id, func(c *container) *bool { return c.ready })
}

// Started is the startup probe's verdict.
func (p *Prober) Started(id string) (started, known bool) {
	return p.verdict(id, func(c *container) *bool { return c.started })
}

func (p *Prober) verdict(id string, of func(*container) *bool) (value, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.containers[id]
	if c == nil || of(c) == nil {
		return false, false
	}
	return *of(c), true
}

// Failed says whether the container is to be restarted, and which kind of
// probe wants it.
func (p *Prober) Failed(id string) (kind string, failed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.containers[id]
	if c == nil {
		return "", false
	}
	return c.failed, c.failed != ""
}

// Changed delivers the pods whose verdicts have changed.
func (p *Prober) Changed() <-chan types.UID { return p.changed }
