package node

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// fakeRuntime answers with what tests set.
type fakeRuntime struct {
	mu  sync.Mutex
	bad map[string]string
	err error
}

func (f *fakeRuntime) Version(context.Context, *cri.VersionRequest, ...grpc.CallOption) (*cri.VersionResponse, error) {
	return &cri.VersionResponse{RuntimeName: "containerd", RuntimeVersion: "v2.4.2"}, nil
}

func (f *fakeRuntime) Status(context.Context, *cri.StatusRequest, ...grpc.CallOption) (*cri.StatusResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := &cri.RuntimeStatus{}
	for _, kind := range []string{cri.RuntimeReady, cri.NetworkReady, "SomeHint"} {
		out.Conditions = append(out.Conditions, &cri.RuntimeCondition{Type: kind, Status: f.bad[kind] == "", Reason: f.bad[kind], Message: "m"})
	}
	return &cri.StatusResponse{Status: out}, f.err
}

func (f *fakeRuntime) ListImages(context.Context, *cri.ListImagesRequest, ...grpc.CallOption) (*cri.ListImagesResponse, error) {
	return &cri.ListImagesResponse{Images: []*cri.Image{{RepoTags: []string{"small"}, Size: 1}, {RepoTags: []string{"big"}, Size: 2}}}, nil
}

func (f *fakeRuntime) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func TestNodeRegistersAndTellsOfTrouble(t *testing.T) {
	runtime := &fakeRuntime{bad: map[string]string{cri.NetworkReady: "NetworkPluginNotReady", "SomeHint": "x"}}
	client := fake.NewClientset()
	events := record.NewFakeRecorder(100)
	pressure := Pressure{}
	var mu sync.Mutex
	n, err := New(Options{
		Client: client, Runtime: runtime, Images: runtime, Events: events, Name: "n", Addresses: []string{"192.0.2.1", "2001:db8::1"},
		PodCIDRs: []string{"10.244.0.0/24"}, Labels: map[string]string{"disk": "fast"}, Port: 10250, Version: "v1.37.2",
		Host:     Host{MilliCPU: 2000, MemoryBytes: 4 << 30, DiskBytes: 1 << 40},
		Reserved: v1.ResourceList{v1.ResourceCPU: resource.MustParse("500m")},
		Pressure: func() Pressure { mu.Lock(); defer mu.Unlock(); return pressure },
		Logger:   slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry(),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	has := func(kind v1.NodeConditionType, status v1.ConditionStatus, reason string) {
		t.Helper()
		require.Eventually(t, func() bool {
			node, err := client.CoreV1().Nodes().Get(ctx, "n", metav1.GetOptions{})
			if err != nil {
				return false
			}
			for _, c := range node.Status.Conditions {
				if c.Type == kind {
					return c.Status == status && c.Reason == reason
				}
			}
			return false
		}, 10*time.Second, 5*time.Millisecond)
	}
	has(v1.NodeReady, v1.ConditionFalse, "KubeletNotReady")
	select {
	case <-n.Ready():
		t.Fatal("ready without a network")
	default:
	}
	runtime.set(func() { runtime.bad = nil })
	has(v1.NodeReady, v1.ConditionTrue, "KubeletReady")
	<-n.Ready()
	node := n.Get()
	require.Equal(t, "fast", node.Labels["disk"])
	require.Equal(t, "10.244.0.0/24", node.Spec.PodCIDR)
	require.Equal(t, "containerd://2.4.2", node.Status.NodeInfo.ContainerRuntimeVersion)
	require.Equal(t, int64(1500), node.Status.Allocatable.Cpu().MilliValue())
	require.Equal(t, int64(2000), node.Status.Capacity.Cpu().MilliValue())
	require.Equal(t, []string{"big"}, node.Status.Images[0].Names)
	require.Equal(t, []v1.NodeAddress{
		{Type: v1.NodeInternalIP, Address: "192.0.2.1"}, {Type: v1.NodeInternalIP, Address: "2001:db8::1"}, {Type: v1.NodeHostName, Address: "n"},
	}, node.Status.Addresses)

	mu.Lock()
	pressure.Memory = true
	mu.Unlock()
	n.CheckNow()
	has(v1.NodeMemoryPressure, v1.ConditionTrue, "KubeletHasInsufficientMemory")
	runtime.set(func() { runtime.err = errors.New("gone") })
	n.CheckNow()
	has(v1.NodeReady, v1.ConditionFalse, "KubeletNotReady")
	require.Eventually(t, func() bool {
		lease, err := client.CoordinationV1().Leases(v1.NamespaceNodeLease).Get(ctx, "n", metav1.GetOptions{})
		return err == nil && *lease.Spec.HolderIdentity == "n"
	}, 10*time.Second, 5*time.Millisecond)
}

func TestReadHost(t *testing.T) {
	h, err := ReadHost(t.TempDir())
	require.NoError(t, err)
	require.Positive(t, h.MilliCPU)
	require.Positive(t, h.MemoryBytes)
	require.Positive(t, h.DiskBytes)
	require.NotEmpty(t, h.Kernel)
	_, err = ReadHost("/nowhere")
	require.ErrorContains(t, err, "/nowhere")

	file := filepath.Join(t.TempDir(), "f")
	write := func(text string) string {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	_, err = memory(write("MemFree: 1 kB\n"))
	require.ErrorContains(t, err, "no MemTotal")
	_, err = memory(write("MemTotal: many kB\n"))
	require.Error(t, err)
	require.Equal(t, "Ship 1", osImage(write("ID=ship\nPRETTY_NAME=\"Ship 1\"\n")))
}
