package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	single "github.com/lubberline/lubberline/test/machine"
)

const (
	steadyPods = 30
	// mostMoving is how many pods the scaled controller has at most.
	mostMoving = 10
	// killWithin is how long after the scaling began the kill comes at the latest.
	killWithin = 2 * time.Second
	// numbering prints a numbered line five times a second, and how many there
	// were when it is told to end.
	numbering = "trap 'echo end $i; exit 0' TERM; i=0; while :; do echo line $i of $HOSTNAME; i=$((i+1)); sleep 0.2; done"
	// wellUnder is from how many lines on a container is sure to end by its trap.
	wellUnder = 10
)

// rounds is how often each is killed: LUBBERLINE_KILLS, or three times.
func rounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("LUBBERLINE_KILLS")
	if text == "" {
		return 3
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "LUBBERLINE_KILLS")
	return n
}

// seed is that of the random moments: LUBBERLINE_SEED repeats a run.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := uint64(time.Now().UnixNano())
	if text := os.Getenv("LUBBERLINE_SEED"); text != "" {
		var err error
		s, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "LUBBERLINE_SEED")
	}
	t.Logf("LUBBERLINE_SEED=%d", s)
	return s
}

// crashes is a machine whose parts are killed under load.
type crashes struct {
	*kube
	random *rand.Rand
	cri    cri.RuntimeServiceClient
	steady map[string]container
}

// container is what must not change of one that runs.
type container struct {
	pod     string
	state   cri.ContainerState
	started int64
	attempt uint32
}

// TestCrashesTouchNoPod kills lubberline, and containerd below it, while 30 pods
// write and a controller is being scaled.
func TestCrashesTouchNoPod(t *testing.T) {
	m := sharedMachine(t)
	c := &crashes{kube: ours(t, m), random: rand.New(rand.NewPCG(seed(t), 0))}
	t.Cleanup(func() {
		if t.Failed() {
			m.describe(t)
		}
	})
	conn, err := grpc.NewClient("unix://"+m.Socket(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	c.cri = cri.NewRuntimeServiceClient(conn)

	c.create(controller("steady", steadyPods, numbering))
	c.create(controller("moving", 2, numbering))
	c.becomes(strconv.Itoa(steadyPods), "{.status.readyReplicas}", "rc", "steady")
	c.becomes("2", "{.status.readyReplicas}", "rc", "moving")
	c.steady, err = c.containers("steady")
	require.NoError(t, err)
	require.Len(t, c.steady, steadyPods)
	for range rounds(t) {
		c.round("lubberline", c.killProgram)
		c.round("containerd", c.killRuntime)
	}
	c.run("scale", "rc", "moving", "--replicas=0")
	c.becomes("0", "{.status.replicas}", "rc", "moving")
	c.until("each event is stored once", c.eventsOnce)
	c.linesOnce()
}

// round scales the moving controller, kills in the middle of it, and looks
// whether all is as it should be.
func (c *crashes) round(what string, kill func()) {
	c.t.Helper()
	was, _ := strconv.Atoi(c.jsonpath("{.spec.replicas}", "rc", "moving"))
	replicas := 1 + c.random.IntN(mostMoving)
	if replicas == was {
		replicas = mostMoving + 1 - was
	}
	delay := time.Duration(c.random.Int64N(int64(killWithin)))
	c.run("scale", "rc", "moving", "--replicas="+strconv.Itoa(replicas))
	moment := time.NewTimer(delay)
	<-moment.C
	began := time.Now()
	kill()
	c.until(fmt.Sprintf("after %s: %d replicas, as asked", what, replicas), func() error { return c.converged("moving", replicas) })
	c.t.Logf("%s killed %s after the scaling from %d to %d began; all well after %s", what, delay.Round(time.Millisecond), was, replicas, time.Since(began).Round(time.Millisecond))
	require.NoError(c.t, c.converged("steady", steadyPods))
	now, err := c.containers("steady")
	require.NoError(c.t, err)
	require.Equal(c.t, c.steady, now, "no container was started, ended or started again")
	require.Equal(c.t, strings.TrimSpace(strings.Repeat("0 ", steadyPods)),
		c.jsonpath("{.items[*].status.containerStatuses[*].restartCount}", "pods", "-l", "app=steady"))
}

// killProgram kills lubberline with all of its parts but containerd.
func (c *crashes) killProgram() {
	c.t.Helper()
	c.m.Kill()
	require.NoError(c.t, c.m.Start())
}

// killRuntime kills containerd; lubberline starts it again.
func (c *crashes) killRuntime() {
	c.t.Helper()
	var daemon struct{ PID int }
	file := filepath.Join(filepath.Dir(c.m.Socket()), "containerd.pid")
	data, err := os.ReadFile(file)
	require.NoError(c.t, err)
	require.NoError(c.t, json.Unmarshal(data, &daemon))
	require.NoError(c.t, syscall.Kill(daemon.PID, syscall.SIGKILL))
	killed := daemon.PID
	c.until("containerd runs again", func() error {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(data, &daemon); err != nil || daemon.PID == killed {
			return fmt.Errorf("%s: %w", data, err)
		}
		_, err = c.containers("steady")
		return err
	})
}

// converged wants that many pods of the controller, all ready and none on its
// way out, and a status that says so.
func (c *crashes) converged(name string, replicas int) error {
	out, complaint, err := c.try("get", "rc", name, "-o",
		"jsonpath={.spec.replicas} {.status.replicas} {.status.readyReplicas} {.status.availableReplicas} {.metadata.generation} {.status.observedGeneration}")
	if err != nil {
		return fmt.Errorf("%w: %s", err, complaint)
	}
	f := strings.Fields(out)
	want := strconv.Itoa(replicas)
	if len(f) != 6 || f[0] != want || f[1] != want || f[2] != want || f[3] != want || f[4] != f[5] {
		return fmt.Errorf("%s is %q", name, out)
	}
	out, complaint, err = c.try("get", "pods", "-l", "app="+name, "-o", "jsonpath={range .items[*]}{.metadata.name} {.metadata.deletionTimestamp}\n{end}")
	if err != nil {
		return fmt.Errorf("%w: %s", err, complaint)
	}
	if n := len(strings.Fields(out)); n != replicas {
		return fmt.Errorf("pods of %s: %q", name, out)
	}
	found, err := c.containers(name)
	if err != nil {
		return err
	}
	running := map[string]int{}
	for _, one := range found {
		if one.state == cri.ContainerState_CONTAINER_RUNNING {
			running[one.pod]++
		}
	}
	if len(running) != replicas || slices.Max(slices.Collect(maps.Values(running))) > 1 {
		return fmt.Errorf("not one container of each of the %d pods of %s runs: %v", replicas, name, found)
	}
	return nil
}

// containers are those of a controller's pods that the runtime knows, by id.
func (c *crashes) containers(app string) (map[string]container, error) {
	ctx, cancel := context.WithTimeout(context.Background(), waitLong)
	defer cancel()
	list, err := c.cri.ListContainers(ctx, &cri.ListContainersRequest{
		Filter: &cri.ContainerFilter{LabelSelector: map[string]string{"io.kubernetes.pod.namespace": c.ns}},
	}, grpc.WaitForReady(true))
	if err != nil {
		return nil, err
	}
	found := map[string]container{}
	for _, item := range list.GetContainers() {
		pod := item.GetLabels()["io.kubernetes.pod.name"]
		if !strings.HasPrefix(pod, app+"-") {
			continue
		}
		status, err := c.cri.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: item.GetId()})
		if err != nil {
			return nil, err
		}
		s := status.GetStatus()
		found[item.GetId()] = container{pod, s.GetState(), s.GetStartedAt(), s.GetMetadata().GetAttempt()}
	}
	return found, nil
}

// linesOnce wants every line of every container in the log store, once: of the
// steady ones up to now, of those that were ended up to their last word.
func (c *crashes) linesOnce() {
	c.t.Helper()
	total := 0
	for _, one := range slices.SortedFunc(maps.Values(c.steady), func(a, b container) int { return strings.Compare(a.pod, b.pod) }) {
		var last int
		_, err := fmt.Sscanf(c.run("logs", one.pod, "--tail=1"), "line %d", &last)
		require.NoError(c.t, err)
		c.until("all lines of "+one.pod+" so far are stored", func() error {
			lines, err := c.m.lines(c.ns, one.pod)
			if err != nil {
				return err
			}
			n, err := complete(lines, one.pod)
			if err != nil {
				return single.Fatal{Err: err}
			}
			if n <= last {
				return fmt.Errorf("%d lines, not more than %d", n, last)
			}
			total += n
			return nil
		})
	}
	gone := c.ended()
	for _, pod := range gone {
		c.until("all lines of "+pod+", which is gone, are stored", func() error {
			lines, err := c.m.lines(c.ns, pod)
			if err != nil {
				return err
			}
			n, err := complete(lines, pod)
			if err == nil && n >= wellUnder && lines[len(lines)-1] != fmt.Sprintf("end %d", n) {
				err = fmt.Errorf("pod %s: the last of %d lines is %q", pod, n, lines[len(lines)-1])
			}
			total += n
			return err
		})
	}
	c.t.Logf("%d lines of %d pods that run and of %d that are gone, each stored once", total, len(c.steady), len(gone))
}

// ended are the names of the moving pods that have ever started a container.
func (c *crashes) ended() []string {
	found, err := c.m.records(url.Values{"namespace": {c.ns}, "stream": {"event"}, "text": {"Started container"}})
	require.NoError(c.t, err)
	var pods []string
	for _, e := range found {
		if strings.HasPrefix(e.Pod, "moving-") {
			pods = append(pods, e.Pod)
		}
	}
	slices.Sort(pods)
	require.NotEmpty(c.t, pods)
	return slices.Compact(pods)
}
