package podutil_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// list makes a resource list of pairs of name and quantity.
func list(pairs ...string) v1.ResourceList {
	l := v1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		l[v1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return l
}

func container(requests, limits v1.ResourceList) v1.Container {
	return v1.Container{Resources: v1.ResourceRequirements{Requests: requests, Limits: limits}}
}

func pod(containers ...v1.Container) *v1.Pod {
	return &v1.Pod{Spec: v1.PodSpec{Containers: containers}}
}

func TestComputeQOS(t *testing.T) {
	full := list("cpu", "100m", "memory", "64Mi")
	withInit := pod(container(full, full))
	withInit.Spec.InitContainers = []v1.Container{container(nil, nil)}
	whole := pod(container(nil, nil))
	whole.Spec.Resources = &v1.ResourceRequirements{Requests: full, Limits: full}
	for name, row := range map[string]struct {
		pod  *v1.Pod
		want v1.PodQOSClass
	}{
		"no resources":                   {pod(container(nil, nil)), v1.PodQOSBestEffort},
		"zero quantities":                {pod(container(list("cpu", "0"), nil)), v1.PodQOSBestEffort},
		"other resources only":           {pod(container(list("ephemeral-storage", "1Gi"), nil)), v1.PodQOSBestEffort},
		"equal":                          {pod(container(full, full)), v1.PodQOSGuaranteed},
		"equal in other notation":        {pod(container(list("cpu", "0.1", "memory", "65536Ki"), full)), v1.PodQOSGuaranteed},
		"two equal":                      {pod(container(full, full), container(full, full)), v1.PodQOSGuaranteed},
		"limits without requests":        {pod(container(nil, full)), v1.PodQOSBurstable},
		"requests below limits":          {pod(container(list("cpu", "50m", "memory", "64Mi"), full)), v1.PodQOSBurstable},
		"requests only":                  {pod(container(full, nil)), v1.PodQOSBurstable},
		"memory only":                    {pod(container(list("memory", "1Gi"), list("memory", "1Gi"))), v1.PodQOSBurstable},
		"second without":                 {pod(container(full, full), container(nil, nil)), v1.PodQOSBurstable},
		"init container without":         {withInit, v1.PodQOSBurstable},
		"resources of the pod, as whole": {whole, v1.PodQOSGuaranteed},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, row.want, podutil.ComputeQOS(row.pod))
			row.pod.Status.QOSClass = v1.PodQOSGuaranteed
			require.Equal(t, v1.PodQOSGuaranteed, podutil.QOS(row.pod))
		})
	}
}

func TestRequestsAndLimits(t *testing.T) {
	always := v1.ContainerRestartPolicyAlways
	sidecar := container(list("cpu", "100m"), list("cpu", "200m"))
	sidecar.RestartPolicy = &always
	p := pod(container(list("cpu", "1"), list("cpu", "2")), container(list("cpu", "1"), nil))
	p.Spec.InitContainers = []v1.Container{sidecar, container(list("cpu", "3"), list("cpu", "3"))}
	p.Spec.Overhead = list("cpu", "10m")

	cpu := podutil.Requests(p)[v1.ResourceCPU]
	require.Equal(t, "3110m", cpu.String(), "the init container after the sidecar asks for most")
	cpu = podutil.Limits(p)[v1.ResourceCPU]
	require.Equal(t, "3210m", cpu.String())
	require.False(t, podutil.Limited(p, v1.ResourceCPU))
	p.Spec.Containers[1].Resources.Limits = list("cpu", "1")
	require.True(t, podutil.Limited(p, v1.ResourceCPU))
	require.False(t, podutil.Limited(p, v1.ResourceMemory))
	p.Spec.Resources = &v1.ResourceRequirements{Limits: list("memory", "1Gi")}
	require.True(t, podutil.Limited(p, v1.ResourceMemory))
	require.True(t, podutil.IsSidecar(&p.Spec.InitContainers[0]))
	require.False(t, podutil.IsSidecar(&p.Spec.InitContainers[1]))
}

func TestUpdateCondition(t *testing.T) {
	start := time.Unix(1000, 0)
	later := start.Add(time.Minute)
	var status v1.PodStatus
	ready := v1.PodCondition{Type: v1.PodReady, Status: v1.ConditionFalse, Reason: "ContainersNotReady"}

	require.True(t, podutil.UpdateCondition(&status, ready, start))
	require.False(t, podutil.UpdateCondition(&status, ready, later), "nothing differs")
	require.Equal(t, start, podutil.Condition(&status, v1.PodReady).LastTransitionTime.Time)

	ready.Reason = "PodFailed"
	require.True(t, podutil.UpdateCondition(&status, ready, later))
	require.Equal(t, start, podutil.Condition(&status, v1.PodReady).LastTransitionTime.Time, "the status is the same")

	ready.Status, ready.Reason = v1.ConditionTrue, ""
	require.True(t, podutil.UpdateCondition(&status, ready, later))
	require.Equal(t, later, podutil.Condition(&status, v1.PodReady).LastTransitionTime.Time)
	require.Len(t, status.Conditions, 1)
	require.True(t, podutil.IsConditionTrue(&status, v1.PodReady))
	require.Nil(t, podutil.Condition(&status, v1.PodScheduled))
}

func TestReadyAvailableTerminalActive(t *testing.T) {
	now := time.Unix(1000, 0)
	p := pod()
	require.False(t, podutil.IsReady(p))
	require.False(t, podutil.IsAvailable(p, 0, now))
	podutil.UpdateCondition(&p.Status, v1.PodCondition{Type: v1.PodReady, Status: v1.ConditionTrue}, now)
	require.True(t, podutil.IsReady(p))
	require.True(t, podutil.IsAvailable(p, 0, now))
	require.False(t, podutil.IsAvailable(p, time.Second, now))
	require.True(t, podutil.IsAvailable(p, time.Second, now.Add(time.Second)))

	require.True(t, podutil.IsActive(p))
	for phase, terminal := range map[v1.PodPhase]bool{
		v1.PodPending: false, v1.PodRunning: false, v1.PodUnknown: false, v1.PodSucceeded: true, v1.PodFailed: true,
	} {
		p.Status.Phase = phase
		require.Equal(t, terminal, podutil.IsTerminal(p), phase)
		require.Equal(t, !terminal, podutil.IsActive(p), phase)
	}
	p.Status.Phase = v1.PodRunning
	p.DeletionTimestamp = &metav1.Time{Time: now}
	require.False(t, podutil.IsActive(p))
}

func TestHostPorts(t *testing.T) {
	always := v1.ContainerRestartPolicyAlways
	p := pod(v1.Container{Ports: []v1.ContainerPort{{ContainerPort: 80}, {ContainerPort: 80, HostPort: 8080}}})
	require.Nil(t, podutil.HostPorts(pod()))
	p.Spec.InitContainers = []v1.Container{
		{Ports: []v1.ContainerPort{{ContainerPort: 1, HostPort: 1}}},
		{RestartPolicy: &always, Ports: []v1.ContainerPort{{HostPort: 53, Protocol: v1.ProtocolUDP, HostIP: "127.0.0.1"}}},
	}
	ports := podutil.HostPorts(p)
	require.Equal(t, []podutil.HostPort{{"0.0.0.0", v1.ProtocolTCP, 8080}, {"127.0.0.1", v1.ProtocolUDP, 53}}, ports)

	local := podutil.HostPort{IP: "127.0.0.1", Protocol: v1.ProtocolTCP, Port: 8080}
	require.True(t, ports[0].Conflicts(local))
	require.True(t, local.Conflicts(ports[0]))
	require.False(t, local.Conflicts(podutil.HostPort{IP: "127.0.0.2", Protocol: v1.ProtocolTCP, Port: 8080}))
	require.False(t, ports[0].Conflicts(podutil.HostPort{IP: "0.0.0.0", Protocol: v1.ProtocolUDP, Port: 8080}))
	require.False(t, ports[0].Conflicts(podutil.HostPort{IP: "0.0.0.0", Protocol: v1.ProtocolTCP, Port: 8081}))
}

func TestControllerAndPriority(t *testing.T) {
	p := pod()
	_, _, ok := podutil.Controller(p)
	require.False(t, ok)
	require.Zero(t, podutil.Priority(p))
	yes, high := true, int32(1000)
	p.OwnerReferences = []metav1.OwnerReference{{Kind: "Node", Name: "n"}, {Kind: "ReplicaSet", Name: "web", Controller: &yes}}
	p.Spec.Priority = &high
	kind, name, ok := podutil.Controller(p)
	require.Equal(t, []any{"ReplicaSet", "web", true}, []any{kind, name, ok})
	require.Equal(t, high, podutil.Priority(p))
}
