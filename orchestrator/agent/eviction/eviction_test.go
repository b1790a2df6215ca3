package eviction

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	testclock "k8s.io/utils/clock/testing"

	"github.com/lubberline/lubberline/orchestrator/agent/volume"
)

// node is a node with its pods, whose usage the test says.
type node struct {
	dir     string
	pods    []*corev1.Pod
	stats   []*runtimeapi.ContainerStats
	signals map[Signal]Amount
	freed   func()
	evicted []string // "name: message"
	reasons []*corev1.PodCondition
}

func (n *node) Pods() []*corev1.Pod { return n.pods }

func (n *node) Evict(uid types.UID, grace int64, reason, message string, c *corev1.PodCondition) (<-chan struct{}, bool) {
	if grace != 1 || reason != "Evicted" {
		panic("not an eviction")
	}
	n.evicted = append(n.evicted, string(uid)+": "+message)
	n.reasons = append(n.reasons, c)
	done := make(chan struct{})
	close(done)
	return done, true
}

func (n *node) LogDirectory(p *corev1.Pod) string { return filepath.Join(n.dir, string(p.UID), "logs") }

func (n *node) EmptyDirs(p *corev1.Pod) (list []volume.EmptyDir) {
	for _, v := range p.Spec.Volumes {
		list = append(list, volume.EmptyDir{Name: v.Name, Path: filepath.Join(n.dir, string(p.UID), v.Name), InMemory: v.EmptyDir.Medium == corev1.StorageMediumMemory})
	}
	return list
}

func (n *node) ListContainerStats(context.Context, *runtimeapi.ListContainerStatsRequest, ...grpc.CallOption) (*runtimeapi.ListContainerStatsResponse, error) {
	return &runtimeapi.ListContainerStatsResponse{Stats: n.stats}, nil
}

func (n *node) DeleteUnused(context.Context) (int64, error) {
	if n.freed != nil {
		n.freed()
	}
	return 0, nil
}

// add puts a pod with one container onto the node.
func (n *node) add(name string, priority int32, memoryRequest string, memory, layer uint64) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(name)},
		Spec: corev1.PodSpec{Priority: &priority, Containers: []corev1.Container{{Name: "c"}}}}
	if memoryRequest != "" {
		p.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memoryRequest)}
	}
	n.pods = append(n.pods, p)
	n.stats = append(n.stats, &runtimeapi.ContainerStats{
		Attributes:    &runtimeapi.ContainerAttributes{Labels: map[string]string{labelPodUID: name, labelContainer: "c"}},
		Memory:        &runtimeapi.MemoryUsage{WorkingSetBytes: &runtimeapi.UInt64Value{Value: memory}},
		WritableLayer: &runtimeapi.FilesystemUsage{UsedBytes: &runtimeapi.UInt64Value{Value: layer}},
	})
	return p
}

type rig struct {
	*Manager
	node   *node
	clock  *testclock.FakeClock
	events *record.FakeRecorder
}

func newRig(t *testing.T) *rig {
	r := &rig{node: &node{dir: t.TempDir(), signals: map[Signal]Amount{}}, clock: testclock.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), events: record.NewFakeRecorder(100)}
	m, err := New(Options{Pods: r.node, Runtime: r.node, Volumes: r.node, Images: r.node, Clock: r.clock, Events: r.events,
		Observe: func() (Observation, error) { return Observation{Signals: r.node.signals}, nil }})
	require.NoError(t, err)
	r.Manager = m
	return r
}

func (r *rig) look(t *testing.T) []string {
	t.Helper()
	r.node.evicted, r.node.reasons = nil, nil
	_, err := r.Look(t.Context())
	require.NoError(t, err)
	return r.node.evicted
}

func TestMemoryShortageAndItsRanking(t *testing.T) {
	r := newRig(t)
	r.node.add("within", 0, "500Mi", 400<<20, 0)
	r.node.add("important", 10, "", 900<<20, 0)
	r.node.add("critical", criticalPriority, "", 2<<30, 0)
	r.node.add("little-over", 0, "100Mi", 150<<20, 0)
	r.node.add("much-over", 0, "100Mi", 300<<20, 0)
	r.node.signals[MemoryAvailable] = Amount{Available: 100 << 20, Capacity: 4 << 30}
	require.Empty(t, r.look(t), "exactly the threshold is enough")

	r.node.signals[MemoryAvailable] = Amount{Available: 90 << 20, Capacity: 4 << 30}
	message := "The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. Container c was using 300Mi, request is 100Mi, has larger consumption of memory. "
	require.Equal(t, []string{"much-over: " + message}, r.look(t))
	require.Equal(t, corev1.DisruptionTarget, r.node.reasons[0].Type)
	require.Equal(t, "TerminationByKubelet", r.node.reasons[0].Reason)
	require.Equal(t, "Warning Evicted "+message, <-r.events.Events)

	order := func() (names []string) {
		all, err := r.measure(t.Context(), r.node.pods, false)
		require.NoError(t, err)
		rank(all, shortage{Threshold: Threshold{Signal: MemoryAvailable}}, false)
		for _, u := range all {
			names = append(names, u.pod.Name)
		}
		return names
	}
	require.Equal(t, []string{"much-over", "little-over", "important", "critical", "within"}, order())
	r.node.pods = r.node.pods[2:3]
	require.Empty(t, r.look(t), "critical pods stay")
}

func TestConditionsLastForAWhile(t *testing.T) {
	r := newRig(t)
	r.node.signals[MemoryAvailable] = Amount{Available: 1, Capacity: 1 << 30}
	r.look(t)
	memory, disk, pid := r.Pressure()
	require.Equal(t, []bool{true, false, false}, []bool{memory, disk, pid})
	<-r.Changed()

	guaranteed := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Mi")}
	besteffort := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{}}}}
	burstable := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: guaranteed}}}}}
	reason, message, ok := r.Admit(besteffort)
	require.Equal(t, []any{"Evicted", "The node had condition: [MemoryPressure]. ", false}, []any{reason, message, ok})
	_, _, ok = r.Admit(burstable)
	require.True(t, ok)
	besteffort.Spec.Tolerations = []corev1.Toleration{{Key: corev1.TaintNodeMemoryPressure, Operator: corev1.TolerationOpExists}}
	_, _, ok = r.Admit(besteffort)
	require.True(t, ok)

	r.node.signals = map[Signal]Amount{NodeFSAvailable: {Available: 9, Capacity: 100}}
	r.look(t)
	<-r.Changed()
	_, message, ok = r.Admit(burstable)
	require.False(t, ok)
	require.Equal(t, "The node had condition: [DiskPressure MemoryPressure]. ", message)
	burstable.Spec.Priority = new(int32(criticalPriority))
	_, _, ok = r.Admit(burstable)
	require.True(t, ok)

	r.node.signals = nil
	r.clock.Step(4 * time.Minute)
	r.look(t)
	memory, _, _ = r.Pressure()
	require.True(t, memory)
	r.clock.Step(2 * time.Minute)
	r.look(t)
	memory, disk, _ = r.Pressure()
	require.False(t, memory || disk)
	<-r.Changed()
}

func TestDiskShortageTakesImagesFirst(t *testing.T) {
	r := newRig(t)
	r.node.add("small", 0, "", 0, 1<<20)
	r.node.add("big", 0, "", 0, 5<<20)
	short := map[Signal]Amount{ImageFSAvailable: {Available: 14, Capacity: 100}}
	r.node.signals = short
	r.node.freed = func() { r.node.signals = map[Signal]Amount{ImageFSAvailable: {Available: 50, Capacity: 100}} }
	require.Empty(t, r.look(t))
	r.node.signals, r.node.freed = short, nil
	require.Equal(t, []string{"big: The node was low on resource: ephemeral-storage. Threshold quantity: 15, available: 14. Container c was using 5Mi, request is 0, has larger consumption of ephemeral-storage. "}, r.look(t))

	r.node.signals = map[Signal]Amount{NodeFSInodesFree: {Available: 1, Capacity: 1000}}
	require.Contains(t, r.look(t)[0], "The node was low on resource: inodes. Threshold quantity: 50, available: 1. ")
}

func write(t *testing.T, path string, bytes int) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, make([]byte, bytes), 0o600))
}

func TestLimitsOfVolumesAndContainers(t *testing.T) {
	r := newRig(t)
	p := r.node.add("p", 0, "", 0, 1<<20)
	limit := func(text string) *resource.Quantity { return new(resource.MustParse(text)) }
	p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: limit("1Mi")}}}}
	write(t, filepath.Join(r.node.dir, "p/v/file"), 900<<10)
	require.Empty(t, r.look(t))
	write(t, filepath.Join(r.node.dir, "p/v/more"), 300<<10)
	require.Equal(t, []string{`p: Usage of EmptyDir volume "v" exceeds the limit "1Mi". `}, r.look(t))

	p.Spec.Volumes[0].EmptyDir.SizeLimit = nil
	c := &p.Spec.Containers[0]
	c.Resources.Limits = corev1.ResourceList{corev1.ResourceEphemeralStorage: resource.MustParse("2Mi")}
	require.Equal(t, []string{"p: Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. "}, r.look(t))
	c.Resources.Limits[corev1.ResourceEphemeralStorage] = resource.MustParse("20Mi")
	require.Empty(t, r.look(t))
	p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "d", Resources: corev1.ResourceRequirements{Limits: c.Resources.Limits}})
	p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceEphemeralStorage: resource.MustParse("1Mi")}
	write(t, filepath.Join(r.node.dir, "p/logs/c/0.log"), 8<<10)
	require.Equal(t, []string{`p: Container c exceeded its local ephemeral storage limit "1Mi". `}, r.look(t))
	p.Status.Phase = corev1.PodFailed
	require.Empty(t, r.look(t))
}

func TestSizeBelow(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a/b"), 100<<10)
	require.NoError(t, os.Link(filepath.Join(dir, "a/b"), filepath.Join(dir, "c")))
	require.NoError(t, os.Symlink("/", filepath.Join(dir, "d")))
	s := sizeBelow(dir)
	require.Equal(t, int64(4), s.inodes, "two folders, one file, one link")
	require.GreaterOrEqual(t, s.bytes, int64(100<<10))
	require.Less(t, s.bytes, int64(200<<10))
	require.Zero(t, sizeBelow(filepath.Join(dir, "none")))
}

func TestObserveThisMachine(t *testing.T) {
	o, err := Host{NodePath: t.TempDir(), ImagePath: t.TempDir()}.Observe()
	require.NoError(t, err)
	for _, s := range []Signal{MemoryAvailable, NodeFSAvailable, ImageFSAvailable, PIDAvailable} {
		require.Positive(t, o.Signals[s].Capacity, s)
		require.Positive(t, o.Signals[s].Available, s)
		require.LessOrEqual(t, o.Signals[s].Available, o.Signals[s].Capacity, s)
	}
	require.False(t, o.DedicatedImageFS)
	_, err = Host{NodePath: "/nowhere", ImagePath: "/"}.Observe()
	require.ErrorContains(t, err, "/nowhere")
}

func TestObserveFixtures(t *testing.T) {
	dir := t.TempDir()
	put := func(name, content string) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	put("proc/meminfo", "MemTotal:  1000 kB\nMemFree:  300 kB\nInactive(file): 100 kB\n")
	h := Host{Proc: filepath.Join(dir, "proc"), Memory: filepath.Join(dir, "memory")}
	got, err := h.memory()
	require.NoError(t, err)
	require.Equal(t, Amount{Available: 400 << 10, Capacity: 1000 << 10}, got)
	put("memory/memory.usage_in_bytes", "512000\n")
	put("memory/memory.stat", "cache 1\ntotal_inactive_file 102400\n")
	got, err = h.memory()
	require.NoError(t, err)
	require.Equal(t, Amount{Available: 1024000 - 409600, Capacity: 1024000}, got)

	put("proc/loadavg", "0.1 0.2 0.3 2/150 999\n")
	put("proc/sys/kernel/pid_max", "1000\n")
	put("proc/sys/kernel/threads-max", "500\n")
	got, err = h.processes()
	require.NoError(t, err)
	require.Equal(t, Amount{Available: 350, Capacity: 500}, got)
	put("proc/loadavg", "odd")
	_, err = h.processes()
	require.ErrorContains(t, err, "no count of processes")
}
