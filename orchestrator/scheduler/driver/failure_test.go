package driver_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/lubberline/lubberline/orchestrator/scheduler/driver"
)

// unreliable answers each binding by the next of the given functions; then by
// binding for good.
type unreliable struct {
	*fake.Clientset
	t      *testing.T
	events *recorder
	skew   atomic.Int64 // nanoseconds that the driver's clock is ahead
	binds  atomic.Int32
}

func startUnreliable(t *testing.T, answers ...func() error) *unreliable {
	node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "one"}}
	node.Status.Allocatable = v1.ResourceList{v1.ResourceCPU: resource.MustParse("1"), v1.ResourcePods: resource.MustParse("10")}
	u := &unreliable{Clientset: fake.NewClientset(node), t: t, events: &recorder{}}
	u.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if action.GetSubresource() != "binding" {
			return false, nil, nil
		}
		if n := int(u.binds.Add(1)); n <= len(answers) {
			return true, nil, answers[n-1]()
		}
		binding := action.(clienttesting.CreateAction).GetObject().(*v1.Binding)
		pods := v1.SchemeGroupVersion.WithResource("pods")
		object, err := u.Tracker().Get(pods, binding.Namespace, binding.Name)
		if err != nil {
			return true, nil, err
		}
		pod := object.(*v1.Pod).DeepCopy()
		pod.Spec.NodeName = binding.Target.Name
		return true, nil, u.Tracker().Update(pods, pod, pod.Namespace)
	})
	factory := informers.NewSharedInformerFactory(u, 0)
	d, err := driver.New(driver.Options{
		Client: u, Informers: factory, Events: u.events, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		Clock: func() time.Time { return time.Now().Add(time.Duration(u.skew.Load())) },
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	factory.Start(ctx.Done())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		factory.Shutdown()
	})
	return u
}

func (u *unreliable) pod() {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "pod", UID: "uid"}}
	pod.Spec.SchedulerName = "default-scheduler"
	_, err := u.CoreV1().Pods("default").Create(u.t.Context(), pod, metav1.CreateOptions{})
	require.NoError(u.t, err)
}

func (u *unreliable) get() *v1.Pod {
	pod, err := u.CoreV1().Pods("default").Get(u.t.Context(), "pod", metav1.GetOptions{})
	require.NoError(u.t, err)
	return pod
}

// pass lets time go by; the change of a node makes the driver look at it.
func (u *unreliable) pass(d time.Duration) {
	u.skew.Add(int64(d))
	node, err := u.CoreV1().Nodes().Get(u.t.Context(), "one", metav1.GetOptions{})
	require.NoError(u.t, err)
	node.Labels = map[string]string{"at": time.Duration(u.skew.Load()).String()}
	_, err = u.CoreV1().Nodes().Update(u.t.Context(), node, metav1.UpdateOptions{})
	require.NoError(u.t, err)
}

func TestARefusedBindingIsToldAndTriedAgain(t *testing.T) {
	u := startUnreliable(t, func() error { return errors.New("the store is slow") })
	u.pod()
	require.Eventually(t, func() bool { return u.events.has("pod Warning FailedScheduling the store is slow") }, within, often)
	require.Eventually(t, func() bool {
		conditions := u.get().Status.Conditions
		return len(conditions) == 1 && conditions[0].Reason == v1.PodReasonSchedulerError && conditions[0].Message == "the store is slow"
	}, within, often)
	u.pass(time.Second)
	require.Eventually(t, func() bool { return u.get().Spec.NodeName == "one" }, within, often)
}

func TestABindingThatIsNeverSeenIsTakenBack(t *testing.T) {
	u := startUnreliable(t, func() error { return nil }) // accepted, and lost
	u.pod()
	require.Eventually(t, func() bool { return u.events.has("pod Normal Scheduled") }, within, often)
	u.pass(30 * time.Second)
	require.EqualValues(t, 1, u.binds.Load())
	require.Eventually(t, func() bool {
		u.pass(time.Minute)
		return u.get().Spec.NodeName == "one"
	}, within, often)
	require.EqualValues(t, 2, u.binds.Load())
}
