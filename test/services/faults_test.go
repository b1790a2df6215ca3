package services

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/test/machine"
	"github.com/lubberline/lubberline/test/services/press"
)

const (
	// settle is how long the load goes on when all is well again.
	settle = 2 * time.Second
	// noticed bounds the failures after a pod was killed: the time until its end
	// is known, its address is taken out of the service, and the kernel knows.
	noticed = 5 * time.Second
	// outageVariable is how long the API is stopped.
	outageVariable = "LUBBERLINE_OUTAGE"
	outage         = time.Minute
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
		{"the kernel's table deleted", (*cluster).tableDeleted},
		{"the store's disk full", (*cluster).storeFull},
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
func (c *cluster) under(what string, fault func()) press.Outcome {
	c.t.Helper()
	p := press.Start(c.url)
	defer func() { p.End() }() // also where the fault did not go as it should
	time.Sleep(settle)
	fault()
	c.complete()
	time.Sleep(settle)
	outcome := p.End()
	c.t.Logf("%s: %s", what, outcome)
	return outcome
}

// unnoticed is under, without one request failing.
func (c *cluster) unnoticed(what string, fault func()) {
	c.t.Helper()
	require.Empty(c.t, c.under(what, fault).Failures)
}

func (c *cluster) podDeleted() {
	c.unnoticed("a pod deleted gracefully", func() {
		require.NoError(c.t, c.client.CoreV1().Pods("default").Delete(c.t.Context(), c.pods(c.t.Context())[0].Name, metav1.DeleteOptions{}))
	})
}

// podKilled: the kernel refuses what comes to the address until the proxy knows;
// that is a third of the requests, for as long as it takes, and nothing after.
func (c *cluster) podKilled() {
	var at time.Time
	outcome := c.under("a pod killed", func() {
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
	within, others := outcome.Within(at.Add(-press.Patience), at.Add(noticed))
	require.Empty(c.t, others, "failures long after the pod was killed")
	require.LessOrEqual(c.t, len(within), int(noticed.Seconds()*press.Rate/replicas*2), "more than the killed pod's share")
}

func (c *cluster) rollingUpdate() {
	c.unnoticed("a rolling update", func() {
		patch := `{"spec":{"template":{"metadata":{"annotations":{"version":"2"}}}}}`
		_, err := c.client.AppsV1().Deployments("default").Patch(c.t.Context(), "web", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
		require.NoError(c.t, err)
	})
}

// programKilled ends API, controllers, agent and proxy at once: they are one
// process. What the kernel knows stays, and so do the containers.
func (c *cluster) programKilled() {
	c.unnoticed("the program killed and started again", func() {
		c.m.Kill()
		time.Sleep(settle)
		require.NoError(c.t, c.m.Start())
	})
}

func (c *cluster) apiStopped() {
	length := outage
	if text := os.Getenv(outageVariable); text != "" {
		var err error
		length, err = time.ParseDuration(text)
		require.NoError(c.t, err, outageVariable)
	}
	c.unnoticed(fmt.Sprintf("the API stopped for %s", length), func() {
		require.NoError(c.t, syscall.Kill(c.m.PID(), syscall.SIGSTOP))
		time.Sleep(length)
		require.NoError(c.t, syscall.Kill(c.m.PID(), syscall.SIGCONT))
	})
}

// tableDeleted takes the services out of the kernel. The proxy finds it within
// two seconds; until then requests go to an address that is nowhere, and those
// under way then fail: their connections stay untranslated.
func (c *cluster) tableDeleted() {
	var at time.Time
	outcome := c.under("the kernel's table of services deleted", func() {
		at = time.Now()
		out, err := exec.Command("nft", "delete", "table", "ip", c.m.Table()).CombinedOutput()
		require.NoError(c.t, err, "%s", out)
		client := press.Client()
		client.Timeout = time.Second
		c.until("it is repaired", func(context.Context) error { return press.Get(&client, c.url) })
	})
	within, others := outcome.Within(at, at.Add(noticed))
	require.NotEmpty(c.t, within, "without the table nothing is reached")
	require.Empty(c.t, others)
}

// storeFull fills the disk of the API's objects to the last byte: what is there
// goes on and can be changed and deleted, what is new is refused with an error
// that says why, and once there is room everything goes on by itself.
func (c *cluster) storeFull() {
	maps := c.client.CoreV1().ConfigMaps("default")
	write := func(name string) error {
		_, err := maps.Create(c.t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: name}}, metav1.CreateOptions{})
		return err
	}
	c.unnoticed("the store's disk full", func() {
		ballast := filepath.Join(c.m.StoreDir(), "fill")
		fill(c.t, ballast)
		var refused error
		c.until("new objects are refused", func(context.Context) error {
			if refused = write("full-"); refused == nil {
				return errors.New("it is taken")
			}
			return nil
		})
		c.t.Logf("a new object: %v", refused)
		require.ErrorContains(c.t, refused, "the disk of the store")
		require.ErrorContains(c.t, refused, "is full: nothing new is stored")
		c.signOfLife()
		_, err := c.client.AppsV1().Deployments("default").Patch(c.t.Context(), "web", types.StrategicMergePatchType, []byte(`{"metadata":{"annotations":{"changed":"yes"}}}`), metav1.PatchOptions{})
		require.NoError(c.t, err, "what is there can be changed")
		require.NoError(c.t, maps.DeleteCollection(c.t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}), "and deleted")
		require.NoError(c.t, os.Remove(ballast))
		c.until("new objects are taken again", func(context.Context) error { return write("room-") })
	})
	require.False(c.t, c.m.Ended())
}

// signOfLife waits for the node's next one: without them the node would be taken
// for lost, and its pods out of the service.
func (c *cluster) signOfLife() {
	lease := func(ctx context.Context) (time.Time, error) {
		l, err := c.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, machine.Node, metav1.GetOptions{})
		if err != nil || l.Spec.RenewTime == nil {
			return time.Time{}, fmt.Errorf("lease %v: %w", l, err)
		}
		return l.Spec.RenewTime.Time, nil
	}
	before, err := lease(c.t.Context())
	require.NoError(c.t, err)
	c.until("the node gives a sign of life", func(ctx context.Context) error {
		now, err := lease(ctx)
		if err == nil && !now.After(before) {
			err = fmt.Errorf("the last one was at %s", now)
		}
		return err
	})
}

// fill makes a file that leaves nothing free.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	for size := 1 << 20; size >= 4096; {
		if _, err := file.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else {
			require.NoError(t, err)
		}
	}
}
