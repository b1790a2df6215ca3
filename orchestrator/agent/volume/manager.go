package volume

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/agent/environment/downward"
	"github.com/lubberline/lubberline/orchestrator/agent/worker"
	"github.com/lubberline/lubberline/ownmetrics"
)

// Objects keeps what volumes refer to.
type Objects interface {
	Register(pod *corev1.Pod)
	Unregister(uid types.UID)
	ConfigMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error)
	Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error)
	OnChange(f func(pods []types.UID))
}

// Options is what a Manager needs.
type Options struct {
	// Root is the agent's folder; pods lie below <Root>/pods.
	Root string
	// Local is the folder of this node's volumes of the class local-path.
	Local   string
	Client  kubernetes.Interface // claims, volumes and tokens
	Objects Objects
	// Host is asked whenever the node shows in a volume.
	Host func() downward.Host
	// Mounter is the kernel's when nil.
	Mounter    Mounter
	Events     record.EventRecorder
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Clock      clock.Clock
}

// Manager makes volumes. Its methods are safe in parallel for different pods.
type Manager struct {
	o       Options
	metrics *metrics
	set     ownmetrics.Set
	// refresh holds the pods whose contents may have to be written again.
	refresh workqueue.TypedRateLimitingInterface[types.UID]

	mu   sync.Mutex
	pods map[types.UID]*podVolumes // guarded by mu
}

var _ worker.Volumes = (*Manager)(nil)

// podVolumes is what is known of one pod.
type podVolumes struct {
	dir    string
	newest *corev1.Pod // guarded by the manager's mu; what Update was told

	mu      sync.Mutex
	pod     *corev1.Pod               // guarded by mu
	mounted map[string]worker.Mounted // guarded by mu; by volume name
	content map[string]contentVolume  // guarded by mu; those that are written
	tokens  map[string]token          // guarded by mu; by volume and path
	gone    bool                      // guarded by mu; Unmount has begun
}

// New checks the options. The contents are kept up to date while Run runs.
func New(o Options) (*Manager, error) {
	if o.Root == "" || o.Client == nil || o.Objects == nil || o.Host == nil {
		return nil, fmt.Errorf("volume: root, client, objects and host are needed")
	}
	if o.Mounter == nil {
		o.Mounter = Kernel{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Events == nil {
		o.Events = &record.FakeRecorder{}
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	m := &Manager{o: o, metrics: newMetrics(), pods: map[types.UID]*podVolumes{}}
	var err error
	if m.set, err = m.metrics.register(o.Registerer); err != nil {
		return nil, err
	}
	m.refresh = workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[types.UID](500*time.Millisecond, 2*time.Minute))
	o.Objects.OnChange(func(pods []types.UID) {
		for _, uid := range pods {
			m.refresh.Add(uid)
		}
	})
	return m, nil
}

// Run writes contents anew when their sources change, until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	defer m.set.Unregister()
	stop := context.AfterFunc(ctx, m.refresh.ShutDown)
	defer stop()
	var workers sync.WaitGroup
	for range refreshers {
		workers.Go(func() { m.refreshAll(ctx) })
	}
	workers.Wait()
	return nil
}

// refreshers is how many pods are written at the same time: one that waits for
// its token keeps few others waiting.
const refreshers = 4

func (m *Manager) refreshAll(ctx context.Context) {
	for {
		uid, end := m.refresh.Get()
		if end {
			return
		}
		m.refreshPod(ctx, uid)
		m.refresh.Done(uid)
	}
}

// PodDir is the folder of everything that belongs to the pod.
func (m *Manager) PodDir(uid types.UID) string {
	return filepath.Join(m.o.Root, "pods", string(uid))
}

func (m *Manager) podOf(pod *corev1.Pod) *podVolumes {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.pods[pod.UID]
	if p == nil {
		p = &podVolumes{
			dir: m.PodDir(pod.UID), mounted: map[string]worker.Mounted{},
			content: map[string]contentVolume{}, tokens: map[string]token{},
		}
		m.pods[pod.UID] = p
	}
	p.newest = pod
	return p
}

func (m *Manager) known(uid types.UID) *podVolumes {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pods[uid]
}

// Mount makes every volume that a container of the pod mounts. What is there
// already is left alone.
func (m *Manager) Mount(ctx context.Context, pod *corev1.Pod) (map[string]worker.Mounted, error) {
	m.o.Objects.Register(pod)
	p := m.podOf(pod)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pod = pod
	out := map[string]worker.Mounted{}
	used := usedVolumes(pod)
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		if !used[v.Name] {
			continue
		}
		mounted, ok := p.mounted[v.Name]
		if !ok {
			var err error
			if mounted, err = m.setUp(ctx, p, v); err != nil {
				m.metrics.failures.Inc()
				return nil, fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", v.Name, err)
			}
			p.mounted[v.Name] = mounted
		}
		out[v.Name] = mounted
	}
	return out, nil
}

// usedVolumes are those that a container mounts.
func usedVolumes(pod *corev1.Pod) map[string]bool {
	used := map[string]bool{}
	for _, mounts := range allMounts(pod) {
		for _, m := range mounts {
			used[m.Name] = true
		}
	}
	return used
}

func allMounts(pod *corev1.Pod) (all [][]corev1.VolumeMount) {
	for i := range pod.Spec.InitContainers {
		all = append(all, pod.Spec.InitContainers[i].VolumeMounts)
	}
	for i := range pod.Spec.Containers {
		all = append(all, pod.Spec.Containers[i].VolumeMounts)
	}
	for i := range pod.Spec.EphemeralContainers {
		all = append(all, pod.Spec.EphemeralContainers[i].VolumeMounts)
	}
	return all
}

// Update takes the pod's newest object. Labels and annotations that have
// changed find their way into its volumes.
func (m *Manager) Update(pod *corev1.Pod) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.pods[pod.UID]
	if p == nil {
		return
	}
	old := p.newest
	p.newest = pod
	if old == nil || !maps.Equal(old.Labels, pod.Labels) || !maps.Equal(old.Annotations, pod.Annotations) {
		m.refresh.Add(pod.UID)
	}
	if old == nil || len(old.Spec.EphemeralContainers) != len(pod.Spec.EphemeralContainers) {
		m.o.Objects.Register(pod)
	}
}

// takeNewest brings what Update was told into the pod, whose mu is held.
func (m *Manager) takeNewest(p *podVolumes) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.newest != nil {
		p.pod = p.newest
	}
}
