package worker

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/critest"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

func keys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func condition(s *v1.PodStatus, kind v1.PodConditionType) v1.PodCondition {
	if c := podutil.Condition(s, kind); c != nil {
		return *c
	}
	return v1.PodCondition{}
}

// sent are the events so far.
func (n *node) sent() []string {
	var events []string
	for {
		select {
		case event := <-n.events.Events:
			events = append(events, event)
		default:
			return events
		}
	}
}

// onNode runs a test on a node of its own, on a clock that only moves when
// everything waits.
func onNode(t *testing.T, test func(t *testing.T, n *node)) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer func() { n.stop() }()
		test(t, n)
		n.stop()
		require.Empty(t, n.runtime.Violations())
		require.Empty(t, n.api.broken)
	})
}

// after lets time pass and everything settle.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestPodRunsAndLeavesNothing(t *testing.T) {
	onNode(t, func(t *testing.T, n *node) {
		pod := n.api.create(makePod("a", v1.RestartPolicyAlways, run(), run()))
		after(time.Second)
		status := n.api.pod(pod.UID).Status
		require.Equal(t, v1.PodRunning, status.Phase)
		require.Len(t, n.runtime.Running("uid-a"), 2)
		require.NotEmpty(t, status.PodIP)
		require.Equal(t, "192.0.2.1", status.HostIP)
		for _, c := range status.Conditions {
			require.Equal(t, v1.ConditionTrue, c.Status, c.Type)
		}
		require.Contains(t, status.ContainerStatuses[0].ContainerID, "containerd://")

		n.api.delete(pod.UID, 30)
		after(time.Minute)
		require.Nil(t, n.api.pod(pod.UID))
		require.Zero(t, n.runtime.Left("uid-a"))
		require.Empty(t, n.volumes.all())
		require.Empty(t, n.cgroups.all())
		require.Empty(t, n.api.agent.Pods())
	})
}

func TestInitContainersSidecarsAndOrder(t *testing.T) {
	onNode(t, func(t *testing.T, n *node) {
		pod := makePod("a", v1.RestartPolicyAlways, run())
		always := v1.ContainerRestartPolicyAlways
		pod.Spec.InitContainers = []v1.Container{
			{Name: "first", Image: "busybox", Command: exit(0, 2*time.Second)},
			{Name: "proxy", Image: "busybox", Command: run(), RestartPolicy: &always, StartupProbe: &v1.Probe{}},
			{Name: "log", Image: "busybox", Command: run(), RestartPolicy: &always},
		}
		n.api.create(pod)
		after(time.Second)
		require.Equal(t, []string{"first"}, keys(n.runtime.Running("uid-a")))
		status := n.api.pod(pod.UID).Status
		require.Equal(t, v1.PodPending, status.Phase)
		require.Equal(t, "PodInitializing", status.ContainerStatuses[0].State.Waiting.Reason)
		require.Contains(t, condition(&status, v1.PodInitialized).Message, "containers with incomplete status: [first proxy log]")

		after(2 * time.Second)
		require.Equal(t, []string{"proxy"}, keys(n.runtime.Running("uid-a")), "its startup probe holds the others")
		proxy := n.runtime.Running("uid-a")["proxy"]
		n.prober.set(pod.UID, func() { n.prober.started[proxy] = true })
		after(time.Second)
		require.Equal(t, []string{"c0", "log", "proxy"}, keys(n.runtime.Running("uid-a")))
		require.Equal(t, v1.PodRunning, n.api.pod(pod.UID).Status.Phase)

		n.runtime.Exit(n.runtime.Running("uid-a")["log"], 1)
		after(time.Second)
		require.Contains(t, n.runtime.Running("uid-a"), "log", "a sidecar is kept running")
		require.Equal(t, v1.PodRunning, n.api.pod(pod.UID).Status.Phase)
	})
}

func TestSidecarsEndLastAndInReverse(t *testing.T) {
	onNode(t, func(t *testing.T, n *node) {
		always := v1.ContainerRestartPolicyAlways
		pod := makePod("a", v1.RestartPolicyAlways, []string{"slow"})
		pod.Spec.InitContainers = []v1.Container{
			{Name: "one", Image: "busybox", Command: []string{"slow"}, RestartPolicy: &always},
			{Name: "two", Image: "busybox", Command: []string{"slow"}, RestartPolicy: &always},
		}
		n.runtime.Behave = func(*cri.ContainerConfig) critest.Behaviour { return critest.Behaviour{StopAfter: 3 * time.Second} }
		n.api.create(pod)
		after(time.Second)
		require.Len(t, n.runtime.Running("uid-a"), 3)
		n.api.delete(pod.UID, 30)
		after(4 * time.Second)
		require.Equal(t, []string{"one", "two"}, keys(n.runtime.Running("uid-a")))
		after(3 * time.Second)
		require.Equal(t, []string{"one"}, keys(n.runtime.Running("uid-a")))
		after(4 * time.Second)
		require.Nil(t, n.api.pod(pod.UID))
	})
}

func TestCrashLoop(t *testing.T) {
	onNode(t, func(t *testing.T, n *node) {
		pod := n.api.create(makePod("a", v1.RestartPolicyAlways, exit(3, time.Second)))
		var pauses []time.Duration
		var last time.Time
		for range 8 {
			var finished time.Time
			for {
				after(100 * time.Millisecond)
				s := n.api.pod(pod.UID).Status.ContainerStatuses[0]
				if s.State.Running != nil && !finished.IsZero() {
					break
				}
				if s.LastTerminationState.Terminated != nil && n.runtime.Running("uid-a")["c0"] == "" {
					finished = s.LastTerminationState.Terminated.FinishedAt.Time
				}
				require.Less(t, time.Since(pod.CreationTimestamp.Time), 2*time.Hour)
			}
			if !last.IsZero() {
				pauses = append(pauses, time.Since(finished).Round(time.Second*10))
			}
			last = finished
		}
		require.IsIncreasing(t, pauses[:5])
		require.Equal(t, 5*time.Minute, pauses[len(pauses)-1])
		after(5 * time.Second)
		s := n.api.pod(pod.UID).Status
		require.Equal(t, v1.PodRunning, s.Phase)
		require.Equal(t, "CrashLoopBackOff", s.ContainerStatuses[0].State.Waiting.Reason)
		require.Equal(t, "back-off 5m0s restarting failed container=c0 pod=a_default(uid-a)", s.ContainerStatuses[0].State.Waiting.Message)
		require.Equal(t, int32(3), s.ContainerStatuses[0].LastTerminationState.Terminated.ExitCode)
		require.Contains(t, n.sent(), "Warning BackOff Back-off restarting failed container c0 in pod a_default(uid-a)")
	})
}

func TestPodsThatEnd(t *testing.T) {
	onNode(t, func(t *testing.T, n *node) {
		done := n.api.create(makePod("done", v1.RestartPolicyNever, exit(0, time.Second), exit(0, 2*time.Second)))
		bad := n.api.create(makePod("bad", v1.RestartPolicyNever, exit(0, time.Second), exit(4, time.Second)))
		init := makePod("init", v1.RestartPolicyNever, run())
		init.Spec.InitContainers = []v1.Container{{Name: "i", Image: "busybox", Command: exit(1, time.Second)}}
		n.api.create(init)
		late := makePod("late", v1.RestartPolicyAlways, run())
		seconds := int64(5)
		late.Spec.ActiveDeadlineSeconds = &seconds
		n.api.create(late)
		after(time.Minute)
		require.Equal(t, v1.PodSucceeded, n.api.pod(done.UID).Status.Phase)
		require.Equal(t, v1.PodFailed, n.api.pod(bad.UID).Status.Phase)
		status := n.api.pod(init.UID).Status
		require.Equal(t, v1.PodFailed, status.Phase)
		require.Equal(t, int32(1), status.InitContainerStatuses[0].State.Terminated.ExitCode)
		require.NotNil(t, status.ContainerStatuses[0].State.Waiting, "never started")
		status = n.api.pod(late.UID).Status
		require.Equal(t, v1.PodFailed, status.Phase)
		require.Equal(t, "DeadlineExceeded", status.Reason)
		require.Empty(t, n.volumes.all())
		require.Empty(t, n.cgroups.all())
		require.Equal(t, "PodCompleted", condition(&n.api.pod(done.UID).Status, v1.PodReady).Reason)
		require.Equal(t, "PodFailed", condition(&n.api.pod(bad.UID).Status, v1.PodReady).Reason)
		n.restart()
		after(time.Minute)
		require.Equal(t, v1.PodSucceeded, n.api.pod(done.UID).Status.Phase)
		require.Equal(t, int32(4), n.api.pod(bad.UID).Status.ContainerStatuses[1].State.Terminated.ExitCode)
	})
}

func TestGraceIsShortened(t *testing.T) {
	onNode(t, func(t *testing.T, n *node) {
		pod := n.api.create(makePod("a", v1.RestartPolicyAlways, stubborn()))
		after(time.Second)
		n.api.delete(pod.UID, 600)
		after(time.Minute)
		require.NotNil(t, n.api.pod(pod.UID))
		n.api.delete(pod.UID, 3)
		after(5 * time.Second)
		require.Nil(t, n.api.pod(pod.UID))
	})
}

func TestImageIsChangedInPlace(t *testing.T) {
	onNode(t, func(t *testing.T, n *node) {
		pod := n.api.create(makePod("a", v1.RestartPolicyNever, run(), run()))
		after(time.Second)
		before := n.runtime.Running("uid-a")
		n.api.change(pod.UID, func(p *v1.Pod) { p.Spec.Containers[0].Image = "busybox:2" })
		after(time.Second)
		now := n.runtime.Running("uid-a")
		require.NotEqual(t, before["c0"], now["c0"])
		require.Equal(t, before["c1"], now["c1"])
		status := n.api.pod(pod.UID).Status
		require.Equal(t, int32(1), status.ContainerStatuses[0].RestartCount)
		require.Equal(t, v1.PodRunning, status.Phase)
		require.Contains(t, n.sent(), "Normal Killing Container c0 definition changed, will be restarted")
	})
}

func TestSandboxDiesAndIsMadeAnew(t *testing.T) {
	onNode(t, func(t *testing.T, n *node) {
		pod := n.api.create(makePod("a", v1.RestartPolicyAlways, run()))
		after(time.Second)
		n.runtime.KillSandbox("uid-a")
		after(time.Minute)
		status := n.api.pod(pod.UID).Status
		require.Equal(t, v1.PodRunning, status.Phase)
		require.Equal(t, int32(1), status.ContainerStatuses[0].RestartCount)
		require.Equal(t, int32(137), status.ContainerStatuses[0].LastTerminationState.Terminated.ExitCode)
		require.Contains(t, n.sent(), "Normal SandboxChanged Pod sandbox changed, it will be killed and re-created.")
	})
}

func TestProbesDecide(t *testing.T) {
	onNode(t, func(t *testing.T, n *node) {
		pod := makePod("a", v1.RestartPolicyAlways, run())
		pod.Spec.Containers[0].ReadinessProbe = &v1.Probe{}
		short := int64(7)
		pod.Spec.Containers[0].LivenessProbe = &v1.Probe{TerminationGracePeriodSeconds: &short}
		n.api.create(pod)
		after(time.Second)
		ready := func() v1.ConditionStatus { return condition(&n.api.pod(pod.UID).Status, v1.PodReady).Status }
		require.Equal(t, v1.ConditionFalse, ready())
		require.Equal(t, "containers with unready status: [c0]", condition(&n.api.pod(pod.UID).Status, v1.PodReady).Message)
		id := n.runtime.Running("uid-a")["c0"]
		n.prober.set(pod.UID, func() { n.prober.ready[id] = true })
		after(0)
		require.Equal(t, v1.ConditionTrue, ready())

		n.prober.mu.Lock()
		delete(n.prober.ready, id)
		n.prober.mu.Unlock()
		n.restart()
		after(time.Second)
		require.Equal(t, v1.ConditionTrue, ready(), "a new agent believes the old one until its probes answer")

		n.prober.set(pod.UID, func() { n.prober.failed[id] = "liveness" })
		after(time.Second)
		require.NotEqual(t, id, n.runtime.Running("uid-a")["c0"])
		require.Contains(t, n.sent(), "Normal Killing Container c0 failed liveness probe, will be restarted")
		require.Equal(t, v1.ConditionFalse, ready())
	})
}

func TestEviction(t *testing.T) {
	onNode(t, func(t *testing.T, n *node) {
		pod := n.api.create(makePod("a", v1.RestartPolicyAlways, stubborn()))
		after(time.Second)
		done, found := n.api.agent.Evict(pod.UID, 0, "Evicted", "The node was low on resource: memory.",
			&v1.PodCondition{Type: v1.DisruptionTarget, Status: v1.ConditionTrue, Reason: "TerminationByKubelet"})
		require.True(t, found)
		<-done
		after(0)
		status := n.api.pod(pod.UID).Status
		require.Equal(t, v1.PodFailed, status.Phase)
		require.Equal(t, "Evicted", status.Reason)
		require.Equal(t, v1.ConditionTrue, condition(&status, v1.DisruptionTarget).Status)
		require.Empty(t, n.runtime.Running("uid-a"))
	})
}

func TestNodeTurnsPodsAway(t *testing.T) {
	onNode(t, func(t *testing.T, n *node) {
		ask := func(name, cpu string) *v1.Pod {
			pod := makePod(name, v1.RestartPolicyAlways, run())
			pod.Spec.Containers[0].Resources.Requests = v1.ResourceList{v1.ResourceCPU: resource.MustParse(cpu)}
			return n.api.create(pod)
		}
		first := ask("first", "1500m")
		after(time.Second)
		second := ask("second", "600m")
		after(time.Second)
		require.Equal(t, v1.PodRunning, n.api.pod(first.UID).Status.Phase)
		status := n.api.pod(second.UID).Status
		require.Equal(t, v1.PodFailed, status.Phase)
		require.Equal(t, "OutOfcpu", status.Reason)
		require.Equal(t, "Pod was rejected: Node didn't have enough resource: cpu, requested: 600, used: 1500, capacity: 2000", status.Message)

		elsewhere := makePod("elsewhere", v1.RestartPolicyAlways, run())
		elsewhere.Spec.NodeSelector = map[string]string{"disk": "fast"}
		n.api.create(elsewhere)
		after(time.Second)
		require.Equal(t, "NodeAffinity", n.api.pod(elsewhere.UID).Status.Reason)
		n.restart()
		after(time.Second)
		require.Equal(t, v1.PodRunning, n.api.pod(first.UID).Status.Phase, "what runs is not judged again")
	})
}

func TestHooks(t *testing.T) {
	onNode(t, func(t *testing.T, n *node) {
		pod := makePod("a", v1.RestartPolicyAlways, run(), run())
		pod.Spec.Containers[0].Lifecycle = &v1.Lifecycle{
			PostStart: &v1.LifecycleHandler{Sleep: &v1.SleepAction{Seconds: 5}},
			PreStop:   &v1.LifecycleHandler{Exec: &v1.ExecAction{Command: []string{"goodbye"}}},
		}
		n.api.create(pod)
		after(2 * time.Second)
		require.Nil(t, n.api.pod(pod.UID).Status.ContainerStatuses[0].State.Running, "not before its hook has returned")
		require.Equal(t, []string{"c0"}, keys(n.runtime.Running("uid-a")), "nor the next one")
		after(4 * time.Second)
		require.Len(t, n.runtime.Running("uid-a"), 2)
		require.NotNil(t, n.api.pod(pod.UID).Status.ContainerStatuses[0].State.Running)
		n.api.delete(pod.UID, 30)
		after(time.Second)
		require.Equal(t, []string{"[goodbye]"}, n.runtime.Execs())
		require.Nil(t, n.api.pod(pod.UID))
	})
}

func TestStrangersAreEnded(t *testing.T) {
	onNode(t, func(t *testing.T, n *node) {
		pod := n.api.create(makePod("a", v1.RestartPolicyAlways, stubborn()))
		after(time.Second)
		n.stop()
		n.api.mu.Lock()
		delete(n.api.pods, pod.UID)
		n.api.mu.Unlock()
		n.start()
		after(time.Minute)
		require.Zero(t, n.runtime.Left("uid-a"))
		require.Empty(t, n.volumes.all())
	})
}

func TestRuntimeAwayAndMissingImage(t *testing.T) {
	onNode(t, func(t *testing.T, n *node) {
		pod := makePod("a", v1.RestartPolicyAlways, run(), run())
		pod.Spec.Containers[1].Image = "missing"
		n.api.create(pod)
		after(time.Second)
		status := n.api.pod(pod.UID).Status
		require.Equal(t, v1.PodPending, status.Phase)
		require.Equal(t, "ErrImagePull", status.ContainerStatuses[1].State.Waiting.Reason)
		require.NotNil(t, status.ContainerStatuses[0].State.Running)
		id := n.runtime.Running("uid-a")["c0"]
		n.runtime.SetFault(func(string) (error, bool) { return grpcstatus.Error(codes.Unavailable, "away"), false })
		n.runtime.BreakEvents()
		after(time.Minute)
		n.runtime.SetFault(nil)
		after(time.Minute)
		require.Equal(t, id, n.runtime.Running("uid-a")["c0"])
		require.Zero(t, n.api.pod(pod.UID).Status.ContainerStatuses[0].RestartCount)
	})
}
