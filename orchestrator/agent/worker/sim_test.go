package worker

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// simulation is one random life of a node: pods come, change and go, containers
// and sandboxes die, the runtime fails, goes away and forgets to tell, and the
// agent is killed and started again. Afterwards everything works again and has
// to come out right.
type simulation struct {
	*node
	random dice
	faults atomic.Bool
	down   atomic.Bool
	next   int
	// touched are pods whose containers had a reason to be replaced since the
	// last look at them.
	touched map[types.UID]bool
}

// dice are random numbers for several goroutines.
type dice struct {
	mu     sync.Mutex
	random *rand.Rand // guarded by mu
}

func (d *dice) IntN(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.IntN(n)
}

func TestSimulation(t *testing.T) {
	runs := 150
	if text := os.Getenv("LUBBERLINE_SIMULATIONS"); text != "" {
		var err error
		runs, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	first := 0
	if text := os.Getenv("LUBBERLINE_SIMULATION"); text != "" { // one alone
		var err error
		first, err = strconv.Atoi(text)
		require.NoError(t, err)
		runs = first + 1
	}
	t.Attr("runs", fmt.Sprint(runs-first))
	for seed := first; seed < runs; seed++ {
		synctest.Test(t, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("run it alone with LUBBERLINE_SIMULATION=%d", seed)
				}
			}()
			s := &simulation{node: newNode(t), touched: make(map[types.UID]bool)}
			s.random.random = rand.New(rand.NewPCG(1, uint64(seed)))
			s.life()
		})
	}
}

func (s *simulation) life() {
	defer func() {
		s.stop()
	}()
	s.runtime.SetFault(s.fault)
	s.volumes.err, s.cgroups.err = s.refuse, s.refuse
	s.faults.Store(s.random.IntN(4) > 0)
	for range 5 + s.random.IntN(25) {
		s.step()
		after(time.Duration(s.random.IntN(8000)) * time.Millisecond)
	}
	s.faults.Store(false)
	s.down.Store(false)
	// The longest pauses are the crash back-off's.
	after(20 * time.Minute)
	s.check()
	s.checkAdoption()
	for _, pod := range s.api.all() {
		s.api.delete(pod.UID, int64(s.random.IntN(40)))
	}
	after(5 * time.Minute)
	s.checkEmpty()
}

// fault makes calls to the runtime fail or take long.
func (s *simulation) fault(method string) (err error, late bool) {
	if s.down.Load() {
		return status.Error(codes.Unavailable, "the runtime is away"), false
	}
	if !s.faults.Load() {
		return nil, false
	}
	if s.random.IntN(4) == 0 {
		time.Sleep(time.Duration(s.random.IntN(1500)) * time.Millisecond)
	}
	if s.random.IntN(8) == 0 {
		return status.Errorf(codes.Unknown, "%s failed", method), s.random.IntN(2) == 0
	}
	return nil, false
}

func (s *simulation) refuse() error {
	if s.faults.Load() && s.random.IntN(6) == 0 {
		return errors.New("refused")
	}
	return nil
}

func (s *simulation) step() {
	switch s.random.IntN(14) {
	case 0, 1, 2, 3:
		s.create()
	case 4, 5:
		if pod := s.any(); pod != nil {
			s.api.delete(pod.UID, int64(s.random.IntN(40)))
		}
	case 6:
		if pod := s.any(); pod != nil { // by force
			s.api.remove(pod.UID)
		}
	case 7:
		if pod := s.any(); pod != nil {
			s.touched[pod.UID] = true
			s.api.change(pod.UID, func(p *v1.Pod) { p.Spec.Containers[0].Image = fmt.Sprintf("busybox:%d", s.random.IntN(9)) })
		}
	case 8:
		if pod := s.any(); pod != nil {
			s.touched[pod.UID] = true
			s.runtime.KillSandbox(string(pod.UID))
		}
	case 9:
		if pod := s.any(); pod != nil {
			s.touched[pod.UID] = true
			for _, id := range s.runtime.Running(string(pod.UID)) {
				s.runtime.Exit(id, int32(s.random.IntN(2)))
			}
		}
	case 10:
		s.runtime.BreakEvents()
	case 11, 12:
		s.restart()
	case 13:
		s.down.Store(!s.down.Load())
		s.runtime.BreakEvents()
	}
}

func (s *simulation) any() *v1.Pod {
	pods := s.api.all()
	if len(pods) == 0 {
		return nil
	}
	return pods[s.random.IntN(len(pods))]
}

func (s *simulation) create() {
	s.next++
	policies := []v1.RestartPolicy{v1.RestartPolicyAlways, v1.RestartPolicyOnFailure, v1.RestartPolicyNever}
	pod := makePod(fmt.Sprintf("p%d", s.next), policies[s.random.IntN(3)])
	commands := [][]string{run(), run(), stubborn(), exit(0, time.Second), exit(1, 3*time.Second), exit(2, 5*time.Hour)}
	for i := range 1 + s.random.IntN(3) {
		pod.Spec.Containers = append(pod.Spec.Containers, v1.Container{Name: fmt.Sprintf("c%d", i), Image: "busybox", Command: commands[s.random.IntN(len(commands))]})
	}
	always := v1.ContainerRestartPolicyAlways
	for i := range s.random.IntN(3) {
		init := v1.Container{Name: fmt.Sprintf("i%d", i), Image: "busybox", Command: exit(s.random.IntN(5)/4, time.Second)}
		if s.random.IntN(3) == 0 {
			init.Command, init.RestartPolicy = run(), &always
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, init)
	}
	if s.random.IntN(5) == 0 {
		seconds := int64(1 + s.random.IntN(60))
		pod.Spec.ActiveDeadlineSeconds = &seconds
	}
	s.api.create(pod)
}

// check is what must hold once everything has settled.
func (s *simulation) check() {
	require.Empty(s.t, s.runtime.Violations())
	require.Empty(s.t, s.api.broken)
	for _, pod := range s.api.all() {
		require.Nil(s.t, pod.DeletionTimestamp, "%s was deleted and is still there", pod.Name)
		live := s.runtime.Running(string(pod.UID))
		what := fmt.Sprintf("%s: %s, running %v, spec %+v, status %+v", pod.Name, pod.Status.Phase, live, pod.Spec, pod.Status)
		if podutil.IsTerminal(pod) {
			require.Empty(s.t, live, what)
			require.False(s.t, s.holds(pod.UID), what)
			for _, c := range pod.Status.ContainerStatuses {
				// An agent killed while it replaced a container forgets that.
				if pod.Status.Phase == v1.PodSucceeded && !s.touched[pod.UID] {
					require.Zero(s.t, c.State.Terminated.ExitCode, what)
				}
			}
			continue
		}
		s.checkAlive(pod, live, what)
	}
	for _, uid := range s.runtime.Pods() {
		require.NotNil(s.t, s.api.pod(types.UID(uid)), "the runtime has pod %s that nobody wants", uid)
	}
}

// checkAlive is check for a pod that has not ended: what can run, runs.
func (s *simulation) checkAlive(pod *v1.Pod, live map[string]string, what string) {
	require.Contains(s.t, []v1.PodPhase{v1.PodPending, v1.PodRunning}, pod.Status.Phase, what)
	require.Nil(s.t, pod.Spec.ActiveDeadlineSeconds, what)
	for i := range pod.Spec.InitContainers {
		init := &pod.Spec.InitContainers[i]
		if init.Command[0] == "exit" && init.Command[1] != "0" {
			return // fails again and again
		}
	}
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		ended := s.endedForGood(pod, c.Name)
		if c.Command[0] != "exit" && !ended {
			require.Contains(s.t, live, c.Name, what)
		}
	}
	for _, c := range pod.Status.ContainerStatuses {
		if id, ok := live[c.Name]; ok && c.State.Running != nil {
			require.Equal(s.t, "containerd://"+id, c.ContainerID, what)
		}
	}
}

// endedForGood says that the pod's policy leaves the container as it ended.
func (s *simulation) endedForGood(pod *v1.Pod, name string) bool {
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name == name && c.State.Terminated != nil {
			return pod.Spec.RestartPolicy == v1.RestartPolicyNever || pod.Spec.RestartPolicy == v1.RestartPolicyOnFailure && c.State.Terminated.ExitCode == 0
		}
	}
	return false
}

func (s *simulation) holds(uid types.UID) bool {
	for _, h := range []*held{s.volumes, s.cgroups} {
		for _, have := range h.all() {
			if have == uid {
				return true
			}
		}
	}
	return false
}

// checkAdoption starts a new agent, over which no container may be restarted.
func (s *simulation) checkAdoption() {
	before := make(map[types.UID]map[string]string)
	for _, pod := range s.api.all() {
		before[pod.UID] = s.long(pod)
	}
	s.restart()
	after(time.Second)
	for uid, ids := range before {
		require.Equal(s.t, ids, s.long(s.api.pod(uid)), "containers of %s were replaced", uid)
	}
	require.Empty(s.t, s.runtime.Violations())
	require.Empty(s.t, s.api.broken)
}

// long are the running containers that do not end by themselves.
func (s *simulation) long(pod *v1.Pod) map[string]string {
	live := maps.Clone(s.runtime.Running(string(pod.UID)))
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; c.Command[0] == "exit" {
			delete(live, c.Name)
		}
	}
	for i := range pod.Spec.InitContainers {
		if c := &pod.Spec.InitContainers[i]; c.Command[0] == "exit" {
			delete(live, c.Name)
		}
	}
	return live
}

func (s *simulation) checkEmpty() {
	require.Empty(s.t, s.api.all())
	require.Empty(s.t, s.runtime.Pods())
	require.Empty(s.t, s.volumes.all())
	require.Empty(s.t, s.cgroups.all())
	require.Empty(s.t, s.api.agent.Pods())
	require.Empty(s.t, s.runtime.Violations())
	require.Empty(s.t, s.api.broken)
}
