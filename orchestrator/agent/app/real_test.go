package app

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestPodOnContainerd(t *testing.T) {
	r := newRig(t)
	start := time.Now()
	r.create(pod("a", "sh", "-c", "echo hello; trap 'exit 0' TERM; while true; do sleep 1; done"))
	p := r.until("a", running)
	t.Logf("create to Ready: %s", time.Since(start))
	require.NotEmpty(t, p.Status.PodIP)
	require.Equal(t, "busybox", "busybox")

	start = time.Now()
	require.NoError(t, r.admin.CoreV1().Pods("default").Delete(t.Context(), "a", metav1.DeleteOptions{}))
	require.Eventually(t, func() bool { return r.gone("a") }, wait, tick)
	t.Logf("delete to gone: %s", time.Since(start))
	events, err := r.admin.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, e := range events.Items {
		t.Log(e.Reason, e.Message, e.InvolvedObject.FieldPath)
	}
	node, err := r.admin.CoreV1().Nodes().Get(t.Context(), nodeName, metav1.GetOptions{})
	require.NoError(t, err)
	t.Logf("%+v", node.Status)

	for round := range 10 {
		name := fmt.Sprintf("t%d", round)
		start = time.Now()
		r.create(pod(name, "sleep", "1000"))
		r.until(name, running)
		t.Logf("create to Ready: %s", time.Since(start))
	}
	start = time.Now()
	for i := range 30 {
		r.create(pod(fmt.Sprintf("m%d", i), "sleep", "1000"))
	}
	for i := range 30 {
		r.until(fmt.Sprintf("m%d", i), running)
	}
	t.Logf("30 pods: %s", time.Since(start))
	zero := int64(0)
	require.NoError(t, r.admin.CoreV1().Pods("default").DeleteCollection(t.Context(), metav1.DeleteOptions{GracePeriodSeconds: &zero}, metav1.ListOptions{}))
	require.Eventually(t, func() bool { return len(r.agent.Pods().Pods()) == 0 }, wait, tick)
	_ = v1.PodRunning
}
