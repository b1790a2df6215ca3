package app

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestPodOnContainerd(t *testing.T) {
	r := newRig(t)
	one := pod("a", "sh", "-c", "echo hello; echo done > /dev/termination-log; trap 'exit 3' TERM; while true; do sleep 0.1; done")
	one.Spec.Containers[0].Resources.Limits = v1.ResourceList{v1.ResourceCPU: resource.MustParse("500m"), v1.ResourceMemory: resource.MustParse("64Mi")}
	one.Spec.RestartPolicy = v1.RestartPolicyNever
	r.create(one)
	p := r.until("a", running)
	require.NotEmpty(t, p.Status.PodIP)
	require.Equal(t, v1.PodQOSGuaranteed, p.Status.QOSClass)
	require.Equal(t, p.Generation, p.Status.ObservedGeneration)
	group := filepath.Join("/sys/fs/cgroup/memory", r.cgroup, "pod"+string(p.UID))
	require.Equal(t, strconv.Itoa(64<<20), r.text(filepath.Join(group, "memory.limit_in_bytes")))
	quota := filepath.Join("/sys/fs/cgroup/cpu", r.cgroup, "pod"+string(p.UID), "cpu.cfs_quota_us")
	require.Equal(t, "50000", r.text(quota))
	log := r.text(filepath.Join(r.root, "logs", "default_a_"+string(p.UID), "main", "0.log"))
	require.Contains(t, log, "stdout F hello")

	// A watcher sees how it ends, before the object goes.
	watch, err := r.admin.CoreV1().Pods("default").Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=a"})
	require.NoError(t, err)
	defer watch.Stop()
	require.NoError(t, r.admin.CoreV1().Pods("default").Delete(t.Context(), "a", metav1.DeleteOptions{}))
	var last *v1.Pod
	for event := range watch.ResultChan() {
		last = event.Object.(*v1.Pod)
		if event.Type == "DELETED" {
			break
		}
	}
	require.Equal(t, v1.PodFailed, last.Status.Phase)
	end := last.Status.ContainerStatuses[0].State.Terminated
	require.Equal(t, int32(3), end.ExitCode)
	require.Equal(t, "Error", end.Reason)
	require.Equal(t, "done\n", end.Message)
	require.NoDirExists(t, group)
	require.NoDirExists(t, filepath.Join(r.root, "agent", "pods", string(p.UID)))
	require.Eventually(t, func() bool {
		events := r.eventsOf("a")
		return slices.Contains(events, "Started Started container main") && slices.Contains(events, "Killing Stopping container main")
	}, wait, tick)
}

func TestNodeIsRegistered(t *testing.T) {
	r := newRig(t)
	node, err := r.admin.CoreV1().Nodes().Get(t.Context(), nodeName, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, nodeName, node.Labels[v1.LabelHostname])
	require.Equal(t, int32(10250), node.Status.DaemonEndpoints.KubeletEndpoint.Port)
	require.Positive(t, node.Status.Allocatable.Memory().Value())
	require.Contains(t, node.Status.NodeInfo.ContainerRuntimeVersion, "containerd://")
	kinds := make(map[v1.NodeConditionType]v1.ConditionStatus)
	for _, c := range node.Status.Conditions {
		kinds[c.Type] = c.Status
	}
	require.Equal(t, map[v1.NodeConditionType]v1.ConditionStatus{
		v1.NodeReady: v1.ConditionTrue, v1.NodeMemoryPressure: v1.ConditionFalse, v1.NodeDiskPressure: v1.ConditionFalse, v1.NodePIDPressure: v1.ConditionFalse,
	}, kinds)
	require.Eventually(t, func() bool {
		lease, err := r.admin.CoordinationV1().Leases(v1.NamespaceNodeLease).Get(t.Context(), nodeName, metav1.GetOptions{})
		return err == nil && *lease.Spec.HolderIdentity == nodeName && *lease.Spec.LeaseDurationSeconds == 40
	}, wait, tick)
}

func TestAgentAndContainerdAreKilledAndPodsGoOn(t *testing.T) {
	r := newRig(t)
	names := []string{"a", "b", "c"}
	before := make(map[string]v1.ContainerStatus)
	for _, name := range names {
		p := pod(name, "sleep", "100000")
		p.Spec.Containers[0].ReadinessProbe = &v1.Probe{
			ProbeHandler: v1.ProbeHandler{Exec: &v1.ExecAction{Command: []string{"true"}}}, PeriodSeconds: 1,
		}
		r.create(p)
	}
	for _, name := range names {
		before[name] = r.until(name, running).Status.ContainerStatuses[0]
	}
	same := func() {
		t.Helper()
		for _, name := range names {
			now := r.get(name).Status.ContainerStatuses[0]
			require.Equal(t, before[name].ContainerID, now.ContainerID)
			require.Zero(t, now.RestartCount)
			require.True(t, now.Ready)
			require.Equal(t, before[name].State, now.State)
		}
	}
	r.stop()
	r.startAgent()
	require.Eventually(t, func() bool { return len(r.agent.Pods().Pods()) == 3 }, wait, tick)
	same()

	pid := r.containerd()
	require.NoError(t, unix.Kill(pid, unix.SIGKILL))
	require.Eventually(t, func() bool { next := r.containerd(); return next != 0 && next != pid }, wait, tick)
	// The agent works on the new one as on the old.
	r.create(pod("d", "sleep", "100000"))
	r.until("d", running)
	same()

	// Events come again: an exit is seen at once, not with the next list.
	exits := pod("e", "sh", "-c", "sleep 1; exit 5")
	exits.Spec.RestartPolicy = v1.RestartPolicyNever
	r.create(exits)
	r.until("e", func(p *v1.Pod) bool { return p.Status.Phase == v1.PodFailed })
}

func TestOutOfMemoryAndMessagesFromLogs(t *testing.T) {
	r := newRig(t)
	hungry := pod("hungry", "sh", "-c", "x=0123456789012345678901234567890123456789; while true; do x=$x$x; done")
	hungry.Spec.RestartPolicy = v1.RestartPolicyNever
	hungry.Spec.Containers[0].Resources.Limits = v1.ResourceList{v1.ResourceMemory: resource.MustParse("16Mi")}
	r.create(hungry)
	talker := pod("talker", "sh", "-c", "echo last words; exit 7")
	talker.Spec.RestartPolicy = v1.RestartPolicyNever
	talker.Spec.Containers[0].TerminationMessagePolicy = v1.TerminationMessageFallbackToLogsOnError
	r.create(talker)
	ended := func(p *v1.Pod) bool { return p.Status.Phase == v1.PodFailed }
	end := r.until("hungry", ended).Status.ContainerStatuses[0].State.Terminated
	require.Equal(t, "OOMKilled", end.Reason)
	require.Equal(t, int32(137), end.ExitCode)
	end = r.until("talker", ended).Status.ContainerStatuses[0].State.Terminated
	require.Equal(t, "last words\n", end.Message)
	require.Equal(t, int32(7), end.ExitCode)
}

func TestSecurityOnContainerd(t *testing.T) {
	r := newRig(t)
	user, group, no := int64(1234), int64(4321), false
	p := pod("a", "sh", "-c", "id -u; id -g; id -G; hostname; cat /proc/self/status | grep -E 'CapEff|NoNewPrivs'; touch /x && echo writable; ls /proc | grep -c '^[0-9]'")
	p.Spec.RestartPolicy = v1.RestartPolicyNever
	yes, fs := true, int64(77)
	p.Spec.ShareProcessNamespace = &yes
	p.Spec.Hostname = "flag"
	p.Spec.SecurityContext = &v1.PodSecurityContext{RunAsUser: &user, FSGroup: &fs}
	p.Spec.Containers[0].SecurityContext = &v1.SecurityContext{
		RunAsGroup: &group, AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
		Capabilities: &v1.Capabilities{Drop: []v1.Capability{"ALL"}},
	}
	made := r.create(p)
	rooted := pod("rooted", "true")
	rooted.Spec.SecurityContext = &v1.PodSecurityContext{RunAsNonRoot: &yes}
	r.create(rooted)
	r.until("a", func(p *v1.Pod) bool { return p.Status.Phase == v1.PodSucceeded || p.Status.Phase == v1.PodFailed })
	log := r.text(filepath.Join(r.root, "logs", "default_a_"+string(made.UID), "main", "0.log"))
	var lines []string
	for line := range strings.Lines(log) {
		lines = append(lines, strings.TrimSpace(strings.SplitN(line, " ", 4)[3]))
	}
	require.Equal(t, []string{"1234", "4321", "4321 77", "flag", "CapEff:\t0000000000000000", "NoNewPrivs:\t1"}, lines[:6])
	require.NotContains(t, log, "writable")

	waiting := r.until("rooted", func(p *v1.Pod) bool {
		s := p.Status.ContainerStatuses
		return len(s) > 0 && s[0].State.Waiting != nil && s[0].State.Waiting.Reason == "CreateContainerConfigError"
	}).Status.ContainerStatuses[0].State.Waiting
	require.Contains(t, waiting.Message, "container has runAsNonRoot and image will run as root (pod: \"rooted_default(")
}

// TestStartTimes shows how long starts take; it asserts nothing about it.
func TestStartTimes(t *testing.T) {
	r := newRig(t)
	var times []time.Duration
	for i := range 20 {
		name := fmt.Sprintf("one%d", i)
		start := time.Now()
		r.create(pod(name, "sleep", "1000"))
		r.until(name, running)
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	t.Logf("create to Ready, one pod, median of 20: %s", times[10])
	var used unix.Rusage
	require.NoError(t, unix.Getrusage(unix.RUSAGE_SELF, &used))
	before, start := cpu(used), time.Now()
	for i := range 30 {
		r.create(pod(fmt.Sprintf("many%d", i), "sleep", "1000"))
	}
	for i := range 30 {
		r.until(fmt.Sprintf("many%d", i), running)
	}
	took := time.Since(start)
	require.NoError(t, unix.Getrusage(unix.RUSAGE_SELF, &used))
	t.Logf("create to Ready, 30 pods: %s, %s of it CPU time of this process", took, cpu(used)-before)
	require.NoError(t, unix.Getrusage(unix.RUSAGE_SELF, &used))
	begin, beginAt := cpu(used), time.Now()
	time.Sleep(idle())
	require.NoError(t, unix.Getrusage(unix.RUSAGE_SELF, &used))
	t.Logf("idle with 50 pods, API server included: %.2f %% of a CPU", 100*float64(cpu(used)-begin)/float64(time.Since(beginAt)))
}

func cpu(u unix.Rusage) time.Duration {
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// idle is how long TestStartTimes looks at idle use: LUBBERLINE_IDLE.
func idle() time.Duration {
	d, _ := time.ParseDuration(os.Getenv("LUBBERLINE_IDLE"))
	return d
}
