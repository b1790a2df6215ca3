package driver_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"

	"github.com/lubberline/lubberline/orchestrator/apiserver"
	"github.com/lubberline/lubberline/orchestrator/apiserver/apitest"
	"github.com/lubberline/lubberline/orchestrator/scheduler/driver"
)

const (
	within = 30 * time.Second
	often  = 20 * time.Millisecond
)

// recorder keeps events in order.
type recorder struct {
	mu     sync.Mutex
	events []string
}

func (r *recorder) Event(object runtime.Object, kind, reason, message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, fmt.Sprintf("%s %s %s %s", object.(*v1.Pod).Name, kind, reason, message))
}

func (r *recorder) Eventf(object runtime.Object, kind, reason, format string, args ...any) {
	r.Event(object, kind, reason, fmt.Sprintf(format, args...))
}

func (r *recorder) AnnotatedEventf(object runtime.Object, _ map[string]string, kind, reason, format string, args ...any) {
	r.Eventf(object, kind, reason, format, args...)
}

func (r *recorder) has(event string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.events, func(e string) bool { return strings.HasPrefix(e, event) })
}

type cluster struct {
	t      testing.TB
	client kubernetes.Interface
	events *recorder
}

// start runs a driver against a real API server.
func start(t testing.TB) *cluster {
	server := apitest.Start(t)
	c := newCluster(t, server)
	c.run(server)
	return c
}

// newCluster has what pods in the default namespace need.
func newCluster(t testing.TB, server *apiserver.Server) *cluster {
	c := &cluster{t: t, client: apitest.Admin(t, server), events: &recorder{}}
	account := &v1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "default"}}
	require.Eventually(t, func() bool {
		_, err := c.client.CoreV1().ServiceAccounts("default").Create(t.Context(), account, metav1.CreateOptions{})
		return err == nil || apierrors.IsAlreadyExists(err)
	}, within, often)
	return c
}

func (c *cluster) run(server *apiserver.Server) {
	c.t.Helper()
	client, err := kubernetes.NewForConfig(server.ClientConfig("system:kube-scheduler"))
	require.NoError(c.t, err)
	factory := informers.NewSharedInformerFactory(client, 0)
	d, err := driver.New(driver.Options{
		Client: client, Informers: factory, Events: c.events, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	require.NoError(c.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	factory.Start(ctx.Done())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	c.t.Cleanup(func() {
		cancel()
		require.NoError(c.t, <-done)
		factory.Shutdown()
	})
}

func (c *cluster) node(name, cpu string, change ...func(*v1.Node)) {
	c.t.Helper()
	node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1.LabelHostname: name}}}
	node.Status.Allocatable = v1.ResourceList{
		v1.ResourceCPU: resource.MustParse(cpu), v1.ResourceMemory: resource.MustParse("64Gi"), v1.ResourcePods: resource.MustParse("110"),
	}
	node.Status.Capacity = node.Status.Allocatable
	for _, f := range change {
		f(node)
	}
	created, err := c.client.CoreV1().Nodes().Create(c.t.Context(), node, metav1.CreateOptions{})
	require.NoError(c.t, err)
	// A new node has the taint that the node controller takes away.
	created.Spec.Taints = nil
	created.Status = node.Status
	ready, err := c.client.CoreV1().Nodes().Update(c.t.Context(), created, metav1.UpdateOptions{})
	require.NoError(c.t, err)
	ready.Status = node.Status
	_, err = c.client.CoreV1().Nodes().UpdateStatus(c.t.Context(), ready, metav1.UpdateOptions{})
	require.NoError(c.t, err)
}

func (c *cluster) pod(name, cpu string, change ...func(*v1.Pod)) {
	c.t.Helper()
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: map[string]string{"name": name}}}
	pod.Spec.Containers = []v1.Container{{Name: "c", Image: "image:1"}}
	pod.Spec.TerminationGracePeriodSeconds = new(int64)
	if cpu != "" {
		pod.Spec.Containers[0].Resources.Requests = v1.ResourceList{v1.ResourceCPU: resource.MustParse(cpu)}
	}
	for _, f := range change {
		f(pod)
	}
	_, err := c.client.CoreV1().Pods("default").Create(c.t.Context(), pod, metav1.CreateOptions{})
	require.NoError(c.t, err)
}

func (c *cluster) get(name string) *v1.Pod {
	c.t.Helper()
	pod, err := c.client.CoreV1().Pods("default").Get(c.t.Context(), name, metav1.GetOptions{})
	require.NoError(c.t, err)
	return pod
}

func (c *cluster) awaitNode(pod, node string) {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return c.get(pod).Spec.NodeName == node }, within, often, "%s is not on %s", pod, node)
}

// awaitReason waits for the condition's message.
func (c *cluster) awaitReason(pod, message string) {
	c.t.Helper()
	var last string
	require.Eventually(c.t, func() bool {
		for _, condition := range c.get(pod).Status.Conditions {
			if condition.Type == v1.PodScheduled && condition.Status == v1.ConditionFalse && condition.Reason == v1.PodReasonUnschedulable {
				last = condition.Message
			}
		}
		return last == message
	}, within, often, "%s: %s", pod, &last)
}

func priority(p int32) func(*v1.Pod) { return func(pod *v1.Pod) { pod.Spec.Priority = &p } }

func TestPodsAreBoundAndOthersSayWhyNot(t *testing.T) {
	c := start(t)
	c.pod("early", "100m")
	c.awaitReason("early", "no nodes available to schedule pods")
	c.pod("foreign", "", func(p *v1.Pod) { p.Spec.SchedulerName = "another" })
	c.node("one", "1")
	c.awaitNode("early", "one")
	require.Eventually(t, func() bool { return c.events.has("early Normal Scheduled Successfully assigned default/early to one") }, within, often)

	c.pod("large", "2")
	c.awaitReason("large", "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.")
	require.Eventually(t, func() bool {
		return c.events.has("large Warning FailedScheduling 0/1 nodes are available: 1 Insufficient cpu.")
	}, within, often)
	c.pod("picky", "", func(p *v1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "ssd"} })
	c.awaitReason("picky", "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.")

	c.node("two", "4", func(n *v1.Node) { n.Labels["disk"] = "ssd" })
	c.awaitNode("large", "two")
	c.awaitNode("picky", "two")
	require.Empty(t, c.get("foreign").Spec.NodeName)
}

func TestRoomThatIsFreedIsUsed(t *testing.T) {
	c := start(t)
	c.node("one", "1")
	c.pod("first", "800m")
	c.awaitNode("first", "one")
	c.pod("second", "800m")
	c.awaitReason("second", "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.")
	require.NoError(t, c.client.CoreV1().Pods("default").Delete(t.Context(), "first", *metav1.NewDeleteOptions(0)))
	c.awaitNode("second", "one")
}

func TestPodsOfLowerPriorityMakeRoom(t *testing.T) {
	c := start(t)
	c.createPriority("high", 1000)
	c.node("one", "1")
	c.pod("low", "800m")
	c.awaitNode("low", "one")
	uid := c.get("low").UID
	c.pod("high", "800m", func(p *v1.Pod) { p.Spec.PriorityClassName = "high" }, priority(1000))
	require.Eventually(t, func() bool { return c.events.has("low Normal Preempted Preempted by pod ") }, within, often)
	require.Eventually(t, func() bool {
		pod, err := c.client.CoreV1().Pods("default").Get(t.Context(), "low", metav1.GetOptions{})
		if err != nil || pod.UID != uid {
			return true
		}
		condition := slices.ContainsFunc(pod.Status.Conditions, func(c v1.PodCondition) bool {
			return c.Type == v1.DisruptionTarget && c.Reason == v1.PodReasonPreemptionByScheduler &&
				c.Message == "default-scheduler: preempting to accommodate a higher priority pod"
		})
		return condition && pod.DeletionTimestamp != nil
	}, within, often)
	// What the node's agent does when the containers have ended.
	_ = c.client.CoreV1().Pods("default").Delete(t.Context(), "low", *metav1.NewDeleteOptions(0))
	c.awaitNode("high", "one")
}

func (c *cluster) createPriority(name string, value int32) {
	c.t.Helper()
	class := priorityClass(name, value)
	_, err := c.client.SchedulingV1().PriorityClasses().Create(c.t.Context(), class, metav1.CreateOptions{})
	require.NoError(c.t, err)
}

func TestBadOptionsAreRefused(t *testing.T) {
	_, err := driver.New(driver.Options{})
	require.EqualError(t, err, "scheduler: client, informers, events and logger are needed")
}

func (r *recorder) count(what string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, e := range r.events {
		if strings.Contains(e, what) {
			n++
		}
	}
	return n
}
