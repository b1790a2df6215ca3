package services

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// settle is how long the load goes on when all is well again.
	settle = 2 * time.Second
	// noticed bounds the failures after a pod was killed: the time until its end
	// is known, its address is taken out of the service, and the kernel knows.
	noticed = 5 * time.Second
	// outageVariable is how long the API is stopped.
	outageVariable = "LUBBERLINE_OUTAGE"
	outage         = 20 * time.Second
)

// TestServices uses one machine for all: its parts are slow to start.
func TestServices(t *testing.T) {
	c := start(t)
	for _, one := range []struct {
		name string
		run  func(*cluster)
	}{
		{"resolved and answered at once", (*cluster).fresh},
		{"a load balancer", (*cluster).balancer},
		{"wrong services", (*cluster).wrong},
		{"a pod deleted", (*cluster).podDeleted},
		{"a pod killed", (*cluster).podKilled},
		{"a rolling update", (*cluster).rollingUpdate},
		{"the program killed", (*cluster).programKilled},
		{"the API stopped", (*cluster).apiStopped},
	} {
		t.Run(one.name, func(t *testing.T) {
			scenario := *c
			scenario.t = t
			one.run(&scenario)
		})
	}
}

// under has the fault happen under load, and waits until all is well.
func (c *cluster) under(what string, fault func()) []failure {
	c.t.Helper()
	l := press(c.t, c.url)
	time.Sleep(settle)
	fault()
	c.complete()
	time.Sleep(settle)
	return l.end(what)
}

func (c *cluster) podDeleted() {
	require.Empty(c.t, c.under("a pod deleted gracefully", func() {
		require.NoError(c.t, c.client.CoreV1().Pods("default").Delete(c.t.Context(), c.pods(c.t.Context())[0].Name, metav1.DeleteOptions{}))
	}))
}

// podKilled: the kernel refuses what comes to the address until the proxy knows;
// that is a third of the requests, for as long as it takes, and nothing after.
func (c *cluster) podKilled() {
	var at time.Time
	var began = time.Now()
	failures := c.under("a pod killed", func() {
		pod := c.pods(c.t.Context())[0]
		pids := c.processes(pod)
		at = time.Now()
		for _, pid := range pids {
			number, err := strconv.Atoi(pid)
			require.NoError(c.t, err)
			require.NoError(c.t, syscall.Kill(number, syscall.SIGKILL))
		}
		c.until("the container is started again", func(ctx context.Context) error {
			p, err := c.client.CoreV1().Pods("default").Get(ctx, pod.Name, metav1.GetOptions{})
			if err == nil && (len(p.Status.ContainerStatuses) == 0 || p.Status.ContainerStatuses[0].RestartCount == 0) {
				err = fmt.Errorf("%+v", p.Status)
			}
			return err
		})
	})
	killed := at.Sub(began)
	for _, f := range failures {
		require.WithinRange(c.t, began.Add(f.after), at.Add(-patience), at.Add(noticed), "a failure long after the pod was killed (after %s): %v", killed, f.err)
	}
	require.LessOrEqual(c.t, len(failures), int(noticed.Seconds()*rate/replicas*2), "more than the killed pod's share")
}

func (c *cluster) rollingUpdate() {
	require.Empty(c.t, c.under("a rolling update", func() {
		patch := `{"spec":{"template":{"metadata":{"annotations":{"version":"2"}}}}}`
		_, err := c.client.AppsV1().Deployments("default").Patch(c.t.Context(), "web", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
		require.NoError(c.t, err)
	}))
}

// programKilled ends API, controllers, agent and proxy at once: they are one
// process. What the kernel knows stays, and so do the containers.
func (c *cluster) programKilled() {
	require.Empty(c.t, c.under("the program killed and started again", func() {
		c.m.Kill()
		time.Sleep(settle)
		require.NoError(c.t, c.m.Start())
	}))
}

func (c *cluster) apiStopped() {
	length := outage
	if text := os.Getenv(outageVariable); text != "" {
		var err error
		length, err = time.ParseDuration(text)
		require.NoError(c.t, err, outageVariable)
	}
	require.Empty(c.t, c.under(fmt.Sprintf("the API stopped for %s", length), func() {
		require.NoError(c.t, syscall.Kill(c.m.PID(), syscall.SIGSTOP))
		time.Sleep(length)
		require.NoError(c.t, syscall.Kill(c.m.PID(), syscall.SIGCONT))
	}))
}
