package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/critest"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// held is what pods have of the node: volumes or control groups.
type held struct {
	mu   sync.Mutex
	uids map[types.UID]bool
	err  func() error
}

func newHeld() *held { return &held{uids: make(map[types.UID]bool)} }

func (h *held) take(uid types.UID) error {
	if h.err != nil {
		if err := h.err(); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.uids[uid] = true
	return nil
}

func (h *held) give(uid types.UID) error {
	if h.err != nil {
		if err := h.err(); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.uids, uid)
	return nil
}

func (h *held) all() []types.UID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.uids))
}

type fakeVolumes struct {
	*held
	dir string
}

func (f fakeVolumes) Mount(_ context.Context, pod *v1.Pod) (map[string]Mounted, error) {
	if err := os.MkdirAll(filepath.Join(f.dir, string(pod.UID)), 0o700); err != nil {
		return nil, err
	}
	return nil, f.take(pod.UID)
}

func (f fakeVolumes) SubPath(context.Context, *v1.Pod, *v1.Container, int, Mounted, string) (string, error) {
	return "", errors.New("not used")
}
func (f fakeVolumes) Update(*v1.Pod) {}
func (f fakeVolumes) Unmount(_ context.Context, uid types.UID) error {
	if err := f.give(uid); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(f.dir, string(uid)))
}

type fakeCgroups struct{ *held }

func (f fakeCgroups) Ensure(pod *v1.Pod) (string, error) {
	return "/kubepods/pod" + string(pod.UID), f.take(pod.UID)
}
func (f fakeCgroups) Remove(uid types.UID) error { return f.give(uid) }
func (f fakeCgroups) Pods() ([]types.UID, error) { return f.all(), nil }

type fakeEnvironment struct{ hosts string }

func (fakeEnvironment) Env(context.Context, *v1.Pod, *v1.Container, []string) ([]*cri.KeyValue, error) {
	return nil, nil
}

func (fakeEnvironment) Command(c *v1.Container, _ []*cri.KeyValue) (command, args []string) {
	return c.Command, c.Args
}
func (fakeEnvironment) SubPath(expr string, _ []*cri.KeyValue) (string, error) { return expr, nil }
func (f fakeEnvironment) HostsFile(*v1.Pod, []string) (string, error)          { return f.hosts, nil }
func (fakeEnvironment) DNS(*v1.Pod) (*cri.DNSConfig, error)                    { return nil, nil }

type fakeImages struct{}

func (fakeImages) Ensure(_ context.Context, _ *v1.Pod, c *v1.Container) (ref, reason, message string, err error) {
	if c.Image == "missing" {
		return "", "ErrImagePull", "not there", errors.New("not there")
	}
	return "id-of-" + c.Image, "", "", nil
}

// fakeProber answers what tests set.
type fakeProber struct {
	mu      sync.Mutex
	ready   map[string]bool
	started map[string]bool
	failed  map[string]string
	changed chan types.UID
}

func newFakeProber() *fakeProber {
	return &fakeProber{ready: make(map[string]bool), started: make(map[string]bool), failed: make(map[string]string), changed: make(chan types.UID)}
}

func (f *fakeProber) Update(*v1.Pod, *v1.PodStatus) {}
func (f *fakeProber) Remove(types.UID)              {}
func (f *fakeProber) Ready(id string) (ready, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ready, known = f.ready[id]
	return
}

func (f *fakeProber) Started(id string) (started, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	started, known = f.started[id]
	return
}

func (f *fakeProber) Failed(id string) (kind string, failed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	kind, failed = f.failed[id]
	return
}
func (f *fakeProber) Changed() <-chan types.UID { return f.changed }

func (f *fakeProber) set(uid types.UID, change func()) {
	f.mu.Lock()
	change()
	f.mu.Unlock()
	f.changed <- uid
}

// api is the pods' objects, and the writer of their statuses.
type api struct {
	mu      sync.Mutex
	version int
	pods    map[types.UID]*v1.Pod
	agent   *Pods
	broken  []string
}

func (a *api) Set(pod *v1.Pod, status v1.PodStatus) {
	a.mu.Lock()
	defer a.mu.Unlock()
	have := a.pods[pod.UID]
	if have == nil {
		return
	}
	a.check(have, &status)
	next := have.DeepCopy()
	next.Status = *status.DeepCopy()
	a.store(next)
}

// check notes what a status must never do.
func (a *api) check(have *v1.Pod, next *v1.PodStatus) {
	if podutil.IsTerminal(have) && have.Status.Phase != next.Phase {
		a.broken = append(a.broken, fmt.Sprintf("pod %s went from %s to %s", have.Name, have.Status.Phase, next.Phase))
	}
	for _, old := range have.Status.ContainerStatuses {
		for _, s := range next.ContainerStatuses {
			if s.Name == old.Name && s.RestartCount < old.RestartCount {
				a.broken = append(a.broken, fmt.Sprintf("restart count of %s/%s fell from %d to %d", have.Name, s.Name, old.RestartCount, s.RestartCount))
			}
		}
	}
}

// store keeps a changed object and tells the agent; mu is held.
func (a *api) store(pod *v1.Pod) {
	have := a.pods[pod.UID]
	if have != nil && equality.Semantic.DeepEqual(have.Status, pod.Status) && have.Generation == pod.Generation && have.DeletionTimestamp.Equal(pod.DeletionTimestamp) {
		return
	}
	a.version++
	pod.ResourceVersion = strconv.Itoa(a.version)
	a.pods[pod.UID] = pod
	a.agent.Update(pod)
}

func (a *api) Finish(pod *v1.Pod) { a.remove(pod.UID) }
func (a *api) Forget(types.UID)   {}

func (a *api) remove(uid types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if pod := a.pods[uid]; pod != nil {
		delete(a.pods, uid)
		a.agent.Delete(pod)
	}
}

func (a *api) create(pod *v1.Pod) *v1.Pod {
	a.mu.Lock()
	defer a.mu.Unlock()
	pod.Status.Phase = v1.PodPending
	pod.Generation = 1
	a.store(pod)
	return pod
}

// change stores a changed spec.
func (a *api) change(uid types.UID, change func(*v1.Pod)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if have := a.pods[uid]; have != nil {
		next := have.DeepCopy()
		change(next)
		next.Generation++
		a.store(next)
	}
}

// delete asks for a graceful end.
func (a *api) delete(uid types.UID, grace int64) {
	a.change(uid, func(pod *v1.Pod) {
		if pod.DeletionTimestamp == nil {
			now := metav1.Now()
			pod.DeletionTimestamp = &now
		}
		if have := pod.DeletionGracePeriodSeconds; have == nil || *have > grace {
			pod.DeletionGracePeriodSeconds = &grace
		}
	})
}

func (a *api) pod(uid types.UID) *v1.Pod {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pods[uid]
}

func (a *api) all() []*v1.Pod {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Values(a.pods))
}

// node is a whole node for tests, on synctest's clock.
type node struct {
	t       testing.TB
	runtime *critest.Runtime
	api     *api
	volumes *held
	cgroups *held
	prober  *fakeProber
	events  *record.FakeRecorder
	logs    string
	stop    func()
	spec    *v1.Node
}

func newNode(t testing.TB) *node {
	n := &node{
		t: t, runtime: critest.New(), api: &api{pods: make(map[types.UID]*v1.Pod)},
		volumes: newHeld(), cgroups: newHeld(), prober: newFakeProber(), logs: t.TempDir(),
	}
	n.spec = &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Status: v1.NodeStatus{Allocatable: v1.ResourceList{
		v1.ResourceCPU: resource.MustParse("2"), v1.ResourceMemory: resource.MustParse("4Gi"), v1.ResourcePods: resource.MustParse("110"),
	}}}
	n.start()
	return n
}

// start begins an agent on what the node has.
func (n *node) start() {
	n.events = record.NewFakeRecorder(10000)
	pods, err := New(Options{
		Runtime: n.runtime, Volumes: fakeVolumes{n.volumes, n.logs + "/pods"}, Environment: fakeEnvironment{"/etc/hostname"}, Images: fakeImages{},
		Prober: n.prober, Cgroups: fakeCgroups{n.cgroups}, Writer: n.api, Events: n.events,
		Node: func() *v1.Node { return n.spec }, HostIPs: []string{"192.0.2.1"}, ClusterDomain: "cluster.local",
		PodsDir: n.logs + "/pods", LogDir: n.logs + "/logs", MemoryBytes: 8 << 30, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(n.t, err)
	n.api.mu.Lock()
	n.api.agent = pods
	for _, pod := range n.api.pods {
		pods.Update(pod)
	}
	n.api.mu.Unlock()
	pods.Synced()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		pods.Run(ctx)
		close(done)
	}()
	n.stop = func() { cancel(); <-done }
}

func (n *node) restart() {
	n.stop()
	n.start()
}

// makePod is a pod with a container for each command.
func makePod(name string, policy v1.RestartPolicy, commands ...[]string) *v1.Pod {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID("uid-" + name), CreationTimestamp: metav1.Now()}}
	grace := int64(30)
	pod.Spec.RestartPolicy, pod.Spec.TerminationGracePeriodSeconds, pod.Spec.NodeName = policy, &grace, "n"
	for i, command := range commands {
		pod.Spec.Containers = append(pod.Spec.Containers, v1.Container{Name: fmt.Sprintf("c%d", i), Image: "busybox", Command: command})
	}
	return pod
}

func run() []string { return []string{"run"} }
func exit(code int, after time.Duration) []string {
	return []string{"exit", strconv.Itoa(code), after.String()}
}
func stubborn() []string { return []string{"stubborn"} }
