package status

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// written collects the patches that an API server gets.
type written struct {
	mu      sync.Mutex
	patches []map[string]any
	deleted []string
	fail    int
	version int
}

func (w *written) count() (patches, deletions int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.patches), len(w.deleted)
}

func startWriter(t *testing.T, pods ...runtime.Object) (*Writer, *written, *fake.Clientset) {
	client := fake.NewClientset(pods...)
	got := &written{version: 100}
	client.PrependReactor("patch", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		got.mu.Lock()
		defer got.mu.Unlock()
		if got.fail > 0 {
			got.fail--
			return true, nil, errors.New("the API is away")
		}
		var patch map[string]any
		require.NoError(t, json.Unmarshal(action.(clienttesting.PatchAction).GetPatch(), &patch))
		got.patches = append(got.patches, patch)
		got.version++
		return false, nil, nil
	})
	client.PrependReactor("delete", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		got.mu.Lock()
		defer got.mu.Unlock()
		got.deleted = append(got.deleted, action.(clienttesting.DeleteAction).GetName())
		return false, nil, nil
	})
	reg := prometheus.NewPedanticRegistry()
	w, err := NewWriter(client.CoreV1(), slog.New(slog.DiscardHandler), reg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return w, got, client
}

func writerPod(version int) *v1.Pod {
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "default", UID: "u", ResourceVersion: strconv.Itoa(version)},
		Status:     v1.PodStatus{Phase: v1.PodPending},
	}
}

func TestWriterWritesTheNewestOnceAndRetries(t *testing.T) {
	pod := writerPod(1)
	w, got, client := startWriter(t, pod.DeepCopy())
	got.mu.Lock()
	got.fail = 2
	got.mu.Unlock()
	w.Set(pod, v1.PodStatus{Phase: v1.PodRunning})
	w.Set(pod, v1.PodStatus{Phase: v1.PodRunning, Message: "newest"})
	require.Eventually(t, func() bool {
		now, err := client.CoreV1().Pods("default").Get(t.Context(), "a", metav1.GetOptions{})
		return err == nil && now.Status.Message == "newest"
	}, 10*time.Second, 5*time.Millisecond)
	before, _ := got.count()
	w.Set(pod, v1.PodStatus{Phase: v1.PodRunning, Message: "newest"})
	patches, _ := got.count()
	require.Equal(t, before, patches, "nothing changed, nothing is written")
	got.mu.Lock()
	require.Equal(t, "u", got.patches[0]["metadata"].(map[string]any)["uid"], "only for this very pod")
	got.mu.Unlock()

	// Somebody else writes over it.
	stranger := writerPod(200)
	stranger.Status.Phase = v1.PodFailed
	w.Set(stranger, v1.PodStatus{Phase: v1.PodRunning, Message: "newest"})
	require.Eventually(t, func() bool { n, _ := got.count(); return n == before+1 }, 10*time.Second, 5*time.Millisecond)
}

func TestWriterDeletesAfterTheLastStatus(t *testing.T) {
	pod := writerPod(1)
	w, got, _ := startWriter(t, pod.DeepCopy())
	w.Set(pod, v1.PodStatus{Phase: v1.PodSucceeded})
	w.Finish(pod)
	w.Finish(pod)
	require.Eventually(t, func() bool { _, n := got.count(); return n == 1 }, 10*time.Second, 5*time.Millisecond)
	patches, _ := got.count()
	require.Equal(t, 1, patches)
	w.Forget(pod.UID)
}

func TestWriterLeavesGoneAndReplacedPodsAlone(t *testing.T) {
	successor := writerPod(9)
	successor.UID = "other"
	w, got, client := startWriter(t, successor)
	client.PrependReactor("patch", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("conflict of some kind")
	})
	w.Set(writerPod(1), v1.PodStatus{Phase: v1.PodRunning})
	require.Eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.entries["u"].gone
	}, 10*time.Second, 5*time.Millisecond)
	patches, _ := got.count()
	require.Zero(t, patches)
}
