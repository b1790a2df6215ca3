package volume

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"
	testclock "k8s.io/utils/clock/testing"

	"github.com/lubberline/lubberline/orchestrator/agent/environment/downward"
	"github.com/lubberline/lubberline/orchestrator/agent/worker"
)

// table is a mount table in memory. A bind is shown by a link beside the target.
type table struct {
	mu     sync.Mutex
	points []string
	sizes  map[string]int64
	binds  map[string]string // target to what the source named then
}

func (f *table) Tmpfs(path string, size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.points = append(f.points, path)
	f.sizes[path] = size
	return nil
}

func (f *table) Bind(source, target string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	real, err := os.Readlink(source)
	f.points = append(f.points, target)
	f.binds[target] = real
	return err
}

func (f *table) Unmount(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.Index(f.points, path)
	if i < 0 {
		return os.ErrInvalid
	}
	f.points = slices.Delete(f.points, i, i+1)
	return nil
}

func (f *table) IsMounted(path string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.points, path), nil
}

func (f *table) Below(dir string) (below []string, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.points {
		if p == dir || len(p) > len(dir) && p[:len(dir)+1] == dir+"/" {
			below = append(below, p)
		}
	}
	return below, nil
}

// objects is a source whose objects the test sets.
type objects struct {
	mu         sync.Mutex
	configMaps map[string]*corev1.ConfigMap
	secrets    map[string]*corev1.Secret
	registered map[types.UID]int
	changed    func([]types.UID)
}

func (o *objects) Register(pod *corev1.Pod) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.registered[pod.UID]++
}

func (o *objects) Unregister(uid types.UID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.registered, uid)
}

func (o *objects) OnChange(f func([]types.UID)) { o.changed = f }

func (o *objects) ConfigMap(_ context.Context, _, name string) (*corev1.ConfigMap, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if m := o.configMaps[name]; m != nil {
		return m, nil
	}
	return nil, apierrors.NewNotFound(corev1.Resource("configmap"), name)
}

func (o *objects) Secret(_ context.Context, _, name string) (*corev1.Secret, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s := o.secrets[name]; s != nil {
		return s, nil
	}
	return nil, apierrors.NewNotFound(corev1.Resource("secret"), name)
}

// set gives the ConfigMap new data (nil takes it away) and tells that pod u1 has it.
func (o *objects) set(name string, data map[string]string) {
	o.mu.Lock()
	delete(o.configMaps, name)
	if data != nil {
		o.configMaps[name] = &corev1.ConfigMap{Data: data}
	}
	o.mu.Unlock()
	o.changed([]types.UID{"u1"})
}

type rig struct {
	*Manager
	root    string
	objects *objects
	table   *table
	client  *fake.Clientset
	events  *record.FakeRecorder
	clock   *testclock.FakeClock
}

func newRig(t *testing.T, apiObjects ...runtime.Object) *rig {
	r := &rig{
		root:    t.TempDir(),
		objects: &objects{configMaps: map[string]*corev1.ConfigMap{}, secrets: map[string]*corev1.Secret{}, registered: map[types.UID]int{}},
		table:   &table{sizes: map[string]int64{}, binds: map[string]string{}},
		client:  fake.NewClientset(apiObjects...),
		events:  record.NewFakeRecorder(100),
		clock:   testclock.NewFakeClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)),
	}
	r.Manager = r.newManager(t)
	return r
}

// newManager returns a manager as after a restart of the agent.
func (r *rig) newManager(t *testing.T) *Manager {
	m, err := New(Options{
		Root: r.root, Client: r.client, Objects: r.objects, Mounter: r.table, Events: r.events, Clock: r.clock,
		Host: func() downward.Host {
			return downward.Host{Allocatable: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi"), corev1.ResourceCPU: resource.MustParse("2")}}
		},
	})
	require.NoError(t, err)
	return m
}

// run keeps contents up to date until the test ends.
func (r *rig) run(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
}

// mount mounts and returns the only volume.
func (r *rig) mount(t *testing.T, p *corev1.Pod) worker.Mounted {
	t.Helper()
	got, err := r.Mount(t.Context(), p)
	require.NoError(t, err)
	return got["v"]
}

// podWith has one volume v, mounted at /v.
func podWith(source corev1.VolumeSource) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", UID: "u1", Labels: map[string]string{"a": "b"}},
		Spec: corev1.PodSpec{
			ServiceAccountName: "default",
			Volumes:            []corev1.Volume{{Name: "v", VolumeSource: source}, {Name: "unused", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "none"}}}},
			Containers:         []corev1.Container{{Name: "c", VolumeMounts: []corev1.VolumeMount{{Name: "v", MountPath: "/v"}}}},
		},
	}
}

func named(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }

func read(t *testing.T, elem ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elem...))
	require.NoError(t, err)
	return string(b)
}

func mode(t *testing.T, elem ...string) os.FileMode {
	t.Helper()
	info, err := os.Stat(filepath.Join(elem...))
	require.NoError(t, err)
	return info.Mode()
}

// visible lists what a program sees that does not look at names with dots.
func visible(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if e.Name()[0] != '.' {
			names = append(names, e.Name())
		}
	}
	return names
}

func soon(t *testing.T, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 10*time.Second, 2*time.Millisecond)
}
