package worker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
)

// onNode runs a test on a node of its own, on a clock that only moves when
// everything waits.
func onNode(t *testing.T, test func(t *testing.T, n *node)) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
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
